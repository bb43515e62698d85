-- A returned row is a day and event type whose staged events, users or sessions, but
-- for excluded traffic, are not as many as the mart has.
with

staged as (
    select
        {{ daily_performance_id() }} as daily_performance_id,
        count(*) as event_count,
        count(distinct user_id) as user_count,
        count(distinct session_id) as session_count
    from {{ ref("stg_amplitude__events") }}
    where is_counted
    group by 1
)

select
    staged.event_count as staged_event_count,
    daily.event_count,
    staged.user_count as staged_user_count,
    daily.user_count,
    staged.session_count as staged_session_count,
    daily.session_count
from staged
full outer join {{ ref("amplitude__daily_performance") }} as daily
    on staged.daily_performance_id = daily.daily_performance_id
where
    staged.event_count is distinct from daily.event_count
    or staged.user_count is distinct from daily.user_count
    or staged.session_count is distinct from daily.session_count
