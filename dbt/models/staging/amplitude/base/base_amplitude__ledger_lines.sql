{% set ledger_fields = {
    "project_id": "VARCHAR",
    "api_key_id": "VARCHAR",
    "run_id": "VARCHAR",
    "status": "VARCHAR",
    "ingest_version": "VARCHAR",
    "event_count": "VARCHAR",
    "file_count": "VARCHAR",
    "byte_count": "VARCHAR",
    "hour": "VARCHAR",
    "window_start": "VARCHAR",
    "window_end": "VARCHAR",
    "exported_at": "VARCHAR",
    "clock": "VARCHAR",
    "files": "JSON",
    "erased_files": "JSON",
} %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="append",
        pre_hook="{{ find_new_files('ledger') }}",
    )
}}

with

landed as (
    select * from {{ source("amplitude", "ledger") }}
),

-- one row per line of a ledger object that was not here before
parsed as (
    select
        *,
        {{ landing_key("filename", "ledger") }} as landing_key,
        {{ parse_json("raw_json", ledger_fields) }} as recorded
    from landed
    where {{ is_landed_file("ledger") }}
    {% if is_incremental() -%}
        and {{ landing_key("filename", "ledger") }} not in (select landing_key from {{ this }})
    {%- endif %}
),

-- one row per such line, by its fields
named as (
    select
        -- ids
        landing_key || '#' || (recorded['hour']::varchar) as ledger_line_id,
        recorded['project_id']::varchar as project_id,
        recorded['api_key_id']::varchar as api_key_id,
        recorded['run_id']::varchar as run_id,

        -- text
        recorded['status']::varchar as status,
        recorded['ingest_version']::varchar as ingest_version,
        coalesce(recorded['clock']::varchar, 'machine') as clock,

        -- numbers
        (recorded['event_count']::varchar)::bigint as event_count,
        (recorded['file_count']::varchar)::bigint as file_count,
        (recorded['byte_count']::varchar)::bigint as byte_count,

        -- timestamps
        left(recorded['hour']::varchar, 19)::timestamp as upload_hour_started_at,
        left(recorded['window_start']::varchar, 19)::timestamp as window_started_at,
        left(recorded['window_end']::varchar, 19)::timestamp as window_ended_at,
        left(recorded['exported_at']::varchar, 26)::timestamp as exported_at,

        -- objects
        recorded['files'] as files,
        recorded['erased_files'] as erased_files,

        -- lineage
        landing_key,
        loaded_at,
        {{ batch_number() }} as batch_number
    from parsed
),

-- no line can land before its time; clocks of machines may differ by an hour
final as (
    select
        *,
        coalesce(
            clock = 'server' or exported_at <= loaded_at + interval '1 hour', true
        ) as has_valid_time
    from named
)

select * from final
