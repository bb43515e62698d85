-- A returned row is a session whose number of staged events, but for the traffic that
-- is left out, is not the mart's, or that only one of them knows.
with

staged as (
    select
        session_id,
        count(*) as event_count
    from {{ ref("stg_amplitude__events") }}
    where session_id is not null and is_counted
    group by 1
)

select
    staged.session_id as staged_session_id,
    sessions.session_id,
    staged.event_count as staged_event_count,
    sessions.event_count
from staged
full outer join {{ ref("amplitude__sessions") }} as sessions
    on staged.session_id = sessions.session_id
where
    staged.event_count is null
    or sessions.event_count is null
    or staged.event_count != sessions.event_count
