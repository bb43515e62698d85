-- A returned row is an upload day of the latest load with top-level keys that Amplitude
-- does not document: they are in no model.
{{ config(severity="warn") }}

with

loads as (
    select
        *,
        build_number = max(build_number) over () as is_latest
    from {{ ref("amplitude__load_drift") }}
)

select * from loads
where is_latest and undocumented_keys is not null
