-- A returned row is a landed line that is not JSON, and so in no model but the base.
-- After you have looked at them, allow them with `unparsed_lines_allowed`.

{{
    config(
        meta={
            "row": "'line ' || file_row_number || ' of ' || landing_key",
            "advice": "Export the hour again (make ingest START=… END=… ARGS=--force),"
            ~ " or allow the lines by the variable unparsed_lines_allowed",
        },
    )
}}

with

unparsed_lines as (
    select
        landed.landed_row_id,
        landed.landing_key,
        landed.file_row_number
    from {{ ref("base_amplitude__events") }} as landed
    left join {{ ref("stg_amplitude__landed_files") }} as files
        on landed.landing_key = files.landing_key
    where not landed.is_parsed and coalesce(files.is_current, true)
)

select * from unparsed_lines
qualify count(*) over () > {{ var("unparsed_lines_allowed") }}
