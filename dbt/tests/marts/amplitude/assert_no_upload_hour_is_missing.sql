-- A returned row is an upload hour that the ledger does not name: it lies between two
-- that the ledger has settled, or it has files. `make ingest` asks for the hour again;
-- until the ledger names it, the periods that contain it are not complete.
{{
    config(
        severity="warn",
        meta={
            "row": "upload_hour_id",
            "advice": "make ingest asks for these hours again",
        },
    )
}}

select
    upload_hour_id,
    project_id,
    upload_hour_started_at
from {{ ref("amplitude__load_audit") }}
where status is null or status = 'missing'
