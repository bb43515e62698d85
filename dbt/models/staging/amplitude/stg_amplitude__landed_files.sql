{% set file_fields = {
    "key": "VARCHAR",
    "member": "VARCHAR",
    "event_count": "VARCHAR",
    "byte_count": "VARCHAR",
    "sha256": "VARCHAR",
} %}

with

lines as (
    select * from {{ ref("base_amplitude__ledger_lines") }}
),

-- one row per file of a ledger line; a file may be named by several
files as (
    select
        item.value['key']::varchar as landing_key,
        item.value['member']::varchar as member,
        item.value['sha256']::varchar as sha256,
        (item.value['event_count']::varchar)::bigint as event_count,
        (item.value['byte_count']::varchar)::bigint as byte_count,
        lines.project_id,
        lines.upload_hour_started_at,
        lines.exported_at,
        lines.exported_at = max(lines.exported_at) over (
            partition by lines.project_id, lines.upload_hour_started_at
        ) as is_current,
        count(distinct lines.exported_at) over (
            partition by lines.project_id, lines.upload_hour_started_at
        ) as hour_export_count,
        max(lines.build_number) over (
            partition by lines.project_id, lines.upload_hour_started_at
        ) as build_number
    from lines,
        {{ unnest_objects("lines.files", file_fields) }}
),

final as (
    select * from files
    qualify
        row_number() over (partition by landing_key order by exported_at desc) = 1
)

select * from final
