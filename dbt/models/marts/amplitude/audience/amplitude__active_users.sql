with

periods as (
    select * from {{ ref("amplitude__periods") }}
    where period = 'day'
),

active_periods as (
    select * from {{ ref("int_amplitude__active_periods") }}
    where period = 'day'
),

users as (
    select * from {{ ref("amplitude__users") }}
    where first_seen_date is not null
),

calendars as (
    select * from {{ ref("int_amplitude__calendars") }}
),

-- one row per user and active day, with the user's next one
active_days as (
    select
        active_periods.project_id,
        active_periods.user_id,
        active_periods.period_started_date as active_date,
        active_periods.calendar_date,
        calendars.calendar_started_date,
        lead(active_periods.period_started_date) over (
            partition by active_periods.project_id, active_periods.user_id
            order by active_periods.period_started_date
        ) as next_active_date
    from active_periods
    inner join calendars on active_periods.project_id = calendars.project_id
    where active_periods.period_started_date <= calendars.last_loaded_date
),

-- one row per change of how many users the window of so many days holds: they come in
-- on an active day, and go out after it or with the next active day, to come in again
changes as (
    {% for window_days in [7, 30] -%}
    select
        project_id,
        {{ window_days }} as window_days,
        calendar_started_date,
        active_date as changed_date,
        1 as user_change
    from active_days
    union all
    select
        project_id,
        {{ window_days }} as window_days,
        calendar_started_date,
        case
            when next_active_date < active_date + {{ window_days }}
                then next_active_date
            else active_date + {{ window_days }}
        end as changed_date,
        -1 as user_change
    from active_days
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per day on which there was any; those before the calendar are on its first
changed_days as (
    select
        project_id,
        greatest(changed_date, calendar_started_date) as changed_date,
        sum(case when window_days = 7 then user_change end) as weekly_change,
        sum(case when window_days = 30 then user_change end) as monthly_change
    from changes
    group by 1, 2
),

daily as (
    select
        project_id,
        calendar_date,
        count(distinct user_id) as user_count
    from active_days
    group by 1, 2
),

arrivals as (
    select
        users.project_id,
        {{ calendar_date("day", "users.first_seen_date") }} as calendar_date,
        count(*) as new_user_count
    from users
    inner join calendars on users.project_id = calendars.project_id
    group by 1, 2
),

-- one row per day; no week or month ends with the row of all days before the calendar
counted as (
    select
        periods.project_id,
        periods.period_started_date as active_date,
        coalesce(daily.user_count, 0) as daily_active_user_count,
        case
            when not periods.is_before_calendar
                then
                    sum(coalesce(changed_days.weekly_change, 0)) over (
                        partition by periods.project_id
                        order by periods.period_started_date
                        rows between unbounded preceding and current row
                    )::bigint
        end as weekly_active_user_count,
        case
            when not periods.is_before_calendar
                then
                    sum(coalesce(changed_days.monthly_change, 0)) over (
                        partition by periods.project_id
                        order by periods.period_started_date
                        rows between unbounded preceding and current row
                    )::bigint
        end as monthly_active_user_count,
        coalesce(arrivals.new_user_count, 0) as new_user_count,
        periods.is_before_calendar,
        periods.is_complete,
        coalesce(periods.complete_from_date <= periods.period_started_date - 6, false)
            as has_whole_week,
        coalesce(periods.complete_from_date <= periods.period_started_date - 29, false)
            as has_whole_month
    from periods
    left join changed_days
        on
            periods.project_id = changed_days.project_id
            and periods.period_started_date = changed_days.changed_date
    left join daily
        on
            periods.project_id = daily.project_id
            and periods.period_started_date = daily.calendar_date
    left join arrivals
        on
            periods.project_id = arrivals.project_id
            and periods.period_started_date = arrivals.calendar_date
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(["project_id", "active_date"]) }}
            as active_users_id,
        project_id,
        active_date,
        daily_active_user_count,
        weekly_active_user_count,
        monthly_active_user_count,
        new_user_count,
        daily_active_user_count / nullif(weekly_active_user_count, 0)::double
            as daily_weekly_rate,
        daily_active_user_count / nullif(monthly_active_user_count, 0)::double
            as daily_monthly_rate,
        is_before_calendar,
        is_complete,
        has_whole_week,
        has_whole_month
    from counted
)

select * from final
