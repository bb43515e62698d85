-- A returned row is a session whose journey does not have all of its events.
with

staged as (
    select
        session_id,
        count(*) as event_count
    from {{ ref("stg_amplitude__events") }}
    where
        session_id is not null
        and is_counted
    group by 1
),

journeys as (
    select
        session_id,
        sum(event_count) as event_count
    from {{ ref("amplitude__journeys") }}
    group by 1
)

select
    staged.session_id as staged_session_id,
    journeys.session_id,
    staged.event_count as staged_event_count,
    journeys.event_count
from staged
full outer join journeys on staged.session_id = journeys.session_id
where staged.event_count is distinct from journeys.event_count
