-- A returned row is an upload day of the latest load with top-level keys that Amplitude
-- does not document: they are in no model.
{{
    config(
        severity="warn",
        meta={
            "row": "'project ' || project_id || ', uploads of ' || uploaded_date"
            ~ " || ': ' || undocumented_keys",
            "advice": "No model reads these keys",
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
    undocumented_keys
from loads
where is_latest and undocumented_keys is not null
