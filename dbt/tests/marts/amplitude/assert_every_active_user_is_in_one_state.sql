-- A returned row is a day whose new, current and resurrected users are not its active
-- users, or whose current and dormant ones are not those of the day before.
with

days as (
    select
        lifecycle.project_id,
        lifecycle.period_started_date,
        lifecycle.active_user_count,
        lifecycle.current_user_count + lifecycle.dormant_user_count as known_user_count,
        active_users.daily_active_user_count,
        lag(active_users.daily_active_user_count) over (
            partition by lifecycle.project_id, lifecycle.is_before_calendar
            order by lifecycle.period_started_date
        ) as previous_user_count
    from {{ ref("amplitude__lifecycle") }} as lifecycle
    left join {{ ref("amplitude__active_users") }} as active_users
        on
            lifecycle.project_id = active_users.project_id
            and lifecycle.period_started_date = active_users.active_date
    where lifecycle.period = 'day'
)

select *
from days
where
    active_user_count is distinct from daily_active_user_count
    or known_user_count != coalesce(previous_user_count, 0)
