-- A returned row is a file of the ledger that is not loaded with as many rows as the
-- ingest counted in it: events were lost, or doubled, on the way into the warehouse.

{{
    config(
        meta={
            "row": "landing_key",
            "advice": "These files of the ledger are not loaded as the ingest counted them."
            ~ " make ledger VERIFY=1 says whether they are whole and in their place;"
            ~ " make ingest START=… END=… ARGS=--force exports their hours again",
        },
    )
}}

with

files as (
    select * from {{ ref("stg_amplitude__landed_files") }}
),

loaded_rows as (
    select
        landing_key,
        count(*) as row_count
    from {{ ref("base_amplitude__events") }}
    group by 1
)

select
    files.landing_key,
    files.event_count,
    loaded_rows.row_count
from files
left join loaded_rows on files.landing_key = loaded_rows.landing_key
where files.event_count != coalesce(loaded_rows.row_count, 0)
