-- A returned row is an upload day of the latest load of which many rows lack a time,
-- an id or a session, or have a field that cannot be read: the export has changed its
-- form.

{{
    config(
        meta={
            "row": "'project ' || project_id || ', uploads of ' || uploaded_date"
            ~ " || ': ' || drifts",
            "advice": "Compare with amplitude__load_drift of earlier days;"
            ~ " docs/marts/amplitude__load_drift.md says what helps",
        },
    )
}}

with

loads as (
    select
        *,
        batch_number = max(batch_number) over () as is_latest
    from {{ ref("amplitude__load_drift") }}
)

select
    project_id,
    uploaded_date,
    row_count,
    drifts
from loads
where is_latest and drifts is not null
