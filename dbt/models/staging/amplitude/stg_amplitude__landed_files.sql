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

loaded_files as (
    select * from {{ ref("stg_amplitude__loaded_files") }}
),

-- one row per file that an erasure has rewritten: no older line counts for it
erased as (
    select
        item.value['key']::varchar as landing_key,
        lines.clock,
        max(lines.exported_at) as exported_at
    from lines,
        {{ unnest_objects("lines.erased_files", {"key": "VARCHAR"}) }}
    where lines.has_valid_time
    group by 1, 2
),

-- one row per file of a ledger line; a file may be named by several
listed as (
    select
        item.value['key']::varchar as landing_key,
        item.value['member']::varchar as member,
        item.value['sha256']::varchar as sha256,
        (item.value['event_count']::varchar)::bigint as event_count,
        (item.value['byte_count']::varchar)::bigint as byte_count,
        lines.project_id,
        lines.upload_hour_started_at,
        lines.exported_at,
        lines.clock,
        dense_rank() over (
            partition by lines.project_id, lines.upload_hour_started_at
            order by
                lines.clock = 'server' desc nulls last,
                lines.exported_at desc nulls last
        ) = 1 as is_current,
        count(distinct lines.exported_at) over (
            partition by lines.project_id, lines.upload_hour_started_at
        ) as hour_export_count,
        max(lines.batch_number) over (
            partition by lines.project_id, lines.upload_hour_started_at
        ) as batch_number
    from lines,
        {{ unnest_objects("lines.files", file_fields) }}
    where lines.has_valid_time
),

-- one row per such file that is still to be loaded
standing as (
    select listed.*
    from listed
    left join erased
        on
            listed.landing_key = erased.landing_key
            and (
                listed.exported_at < erased.exported_at
                or listed.clock != 'server' and erased.clock = 'server'
            )
    where erased.landing_key is null
),

-- one row per file that the ledger names
named as (
    select * exclude (clock)
    from standing
    qualify
        row_number() over (
            partition by landing_key
            order by is_current desc nulls last, exported_at desc nulls last
        ) = 1
),

-- one row per upload hour of which the ledger names files
named_hours as (
    select
        project_id,
        upload_hour_started_at,
        max(hour_export_count) as export_count,
        max(batch_number) as batch_number
    from named
    group by 1, 2
),

-- one row per loaded file that the ledger does not name, as a killed run leaves it: the
-- files that the ledger names for its hour supersede it
unnamed as (
    select
        loaded_files.landing_key,
        null::varchar as member,
        null::varchar as sha256,
        null::bigint as event_count,
        null::bigint as byte_count,
        loaded_files.project_id,
        loaded_files.upload_hour_started_at,
        null::timestamp as exported_at,
        named_hours.project_id is null as is_current,
        coalesce(named_hours.export_count, 0) + 1 as hour_export_count,
        coalesce(named_hours.batch_number, loaded_files.batch_number) as batch_number
    from loaded_files
    left join named on loaded_files.landing_key = named.landing_key
    left join named_hours
        on
            loaded_files.project_id = named_hours.project_id
            and loaded_files.upload_hour_started_at = named_hours.upload_hour_started_at
    where named.landing_key is null
),

final as (
    select * from named
    union all
    select * from unnamed
)

select * from final
