-- A returned row is a project whose new users of all days are not its users, or whose
-- users have other events than its days.
with

users as (
    select
        project_id,
        count(*) as user_count,
        sum(event_count) as event_count
    from {{ ref("amplitude__users") }}
    group by 1
),

days as (
    select
        project_id,
        sum(new_user_count) as new_user_count
    from {{ ref("amplitude__daily_performance") }}
    group by 1
),

events as (
    select
        project_id,
        count(user_id) as event_count
    from {{ ref("stg_amplitude__events") }}
    where is_counted
    group by 1
)

select
    events.project_id,
    users.user_count,
    days.new_user_count,
    users.event_count,
    events.event_count as staged_event_count
from events
left join users on events.project_id = users.project_id
left join days on events.project_id = days.project_id
where
    coalesce(users.user_count, 0) != coalesce(days.new_user_count, 0)
    or coalesce(users.event_count, 0) != events.event_count
