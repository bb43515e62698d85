-- A returned row is an upload hour whose rows are not those of its newest export and of
-- the older ones, or the audit as a whole, if it has other events than staging.
{{ config(enabled=not var("projects")) }}

with

hours as (
    select * from {{ ref("amplitude__load_audit") }}
),

staged as (
    select
        count(*) as event_count,
        count(session_id) as session_event_count
    from {{ ref("stg_amplitude__events") }}
),

audited as (
    select
        sum(staged_event_count) as event_count,
        sum(session_event_count) as session_event_count
    from hours
)

select
    upload_hour_id,
    exported_event_count as expected_count,
    landed_row_count - older_export_count as found_count
from hours
where
    status = 'landed'
    and landed_row_count - older_export_count != exported_event_count
union all
select
    'all' as upload_hour_id,
    staged.event_count as expected_count,
    audited.event_count as found_count
from staged
cross join audited
where
    staged.event_count != coalesce(audited.event_count, 0)
    or staged.session_event_count != coalesce(audited.session_event_count, 0)
