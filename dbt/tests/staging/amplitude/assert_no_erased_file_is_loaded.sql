-- A returned row is a file that an erasure has rewritten, and whose rows are still in
-- the warehouse, with those of the erased person.
{{
    config(
        meta={
            "row": "landing_key",
            "advice": "Rows of erased persons are still here: run the command that erased"
            ~ " them (make erase) again with this target, or make dbt-build"
            ~ " ARGS=--full-refresh",
        },
    )
}}

with

erased as (
    select item.value['key']::varchar as landing_key
    from {{ ref("base_amplitude__ledger_lines") }} as recorded,
        {{ unnest_objects("recorded.erased_files", {"key": "VARCHAR"}) }}
)

select files.landing_key
from {{ ref("stg_amplitude__landed_files") }} as files
where
    -- no line of the ledger names it, and yet it is loaded
    files.sha256 is null
    and files.landing_key in (select erased.landing_key from erased)
