with

periods as (
    select * from {{ ref("amplitude__periods") }}
),

active_periods as (
    select * from {{ ref("int_amplitude__active_periods") }}
),

activity as (
    select * from {{ ref("int_amplitude__user_session_hours") }}
    where user_id is not null and event_date is not null
),

calendars as (
    select * from {{ ref("int_amplitude__calendars") }}
),

-- one row per user, day and event type
days as (
    select
        activity.project_id,
        activity.user_id,
        activity.event_type,
        activity.event_date,
        sum(activity.event_count) as event_count
    from activity
    group by 1, 2, 3, 4
),

-- one row per user, period and event type
habits as (
    {% for period in ["day", "week", "month"] -%}
    select
        days.project_id,
        days.user_id,
        days.event_type,
        '{{ period }}' as period,
        {{ calendar_date(period, "days.event_date") }} as period_started_date,
        sum(days.event_count) as event_count,
        count(*) as day_count
    from days
    inner join calendars on days.project_id = calendars.project_id
    group by 1, 2, 3, 4, 5
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per period and event type
counts as (
    select
        project_id,
        period,
        period_started_date,
        event_type,
        count(*) as user_count,
        sum(event_count)::bigint as event_count,
        sum(day_count)::bigint as day_count
    from habits
    group by 1, 2, 3, 4
),

-- one row per period
active as (
    select
        project_id,
        period,
        calendar_date,
        count(distinct user_id) as active_user_count
    from active_periods
    group by 1, 2, 3
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [
                "counts.project_id",
                "counts.period",
                "counts.period_started_date",
                "md5(counts.event_type)",
            ]
        ) }} as engagement_id,
        counts.project_id,
        counts.period,
        counts.period_started_date,
        counts.event_type,
        coalesce(active.active_user_count, 0) as active_user_count,
        counts.user_count,
        counts.event_count,
        counts.user_count / active.active_user_count::double as breadth_rate,
        counts.event_count / counts.user_count::double as average_event_count,
        counts.day_count / counts.user_count::double as average_day_count,
        {{ is_activity("counts.event_type") }} as is_activity,
        periods.is_before_calendar,
        periods.is_complete
    from counts
    inner join periods
        on
            counts.project_id = periods.project_id
            and counts.period = periods.period
            and counts.period_started_date = periods.period_started_date
    left join active
        on
            counts.project_id = active.project_id
            and counts.period = active.period
            and counts.period_started_date = active.calendar_date
)

select * from final
