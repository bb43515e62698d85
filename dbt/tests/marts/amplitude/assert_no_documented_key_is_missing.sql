-- A returned row is an upload day of the latest load that lacks a documented top-level
-- key in all of its rows.
{{
    config(
        severity="warn",
        meta={
            "row": "'project ' || project_id || ', uploads of ' || uploaded_date"
            ~ " || ': ' || missing_keys",
            "advice": "The models take these keys for null",
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
    missing_keys
from loads
where
    is_latest
    and missing_keys is not null
    and row_count > {{ variable("drift_rows_allowed") }}
