-- A returned row is a landed line that is not JSON, and so in no model but the base.
-- Lines that have been looked at are allowed for by `unparsed_lines_allowed`.
with

unparsed_lines as (
    select
        landed_row_id,
        landing_key,
        file_row_number
    from {{ ref("base_amplitude__events") }}
    where not is_parsed
)

select * from unparsed_lines
qualify count(*) over () > {{ var("unparsed_lines_allowed") }}
