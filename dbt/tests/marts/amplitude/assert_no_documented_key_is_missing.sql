-- A returned row is an upload day of the latest load that lacks a documented top-level key
-- in all of its rows.
{{ config(severity="warn") }}

with

loads as (
    select
        *,
        build_number = max(build_number) over () as is_latest
    from {{ ref("amplitude__load_drift") }}
)

select * from loads
where is_latest and missing_keys is not null and row_count > {{ variable("drift_rows_allowed") }}
