-- A returned row is an upload day of the latest load of which many rows lack a time, an
-- id or a session, or have a field that cannot be read: the export has changed its form.

with

loads as (
    select
        *,
        build_number = max(build_number) over () as is_latest
    from {{ ref("amplitude__load_drift") }}
)

select * from loads
where is_latest and drifts is not null
