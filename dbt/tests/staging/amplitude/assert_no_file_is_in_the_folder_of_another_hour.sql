-- A returned row is a loaded file that the ledger names for another hour or project: it
-- was copied or moved by hand, and its events count where they do not belong.

{{
    config(
        meta={
            "row": "landing_key || ' is ' || ledger_key",
            "advice": "Move these files back or remove them, then build with --full-refresh",
        },
    )
}}

with

files as (
    select
        *,
        split_part(landing_key, '-', -1) as content_hash
    from {{ ref("stg_amplitude__landed_files") }}
)

select
    strays.landing_key,
    files.landing_key as ledger_key
from files as strays
inner join files on strays.content_hash = files.content_hash
where
    strays.sha256 is null
    and files.sha256 is not null
    and (
        strays.project_id != files.project_id
        or strays.upload_hour_started_at != files.upload_hour_started_at
    )
