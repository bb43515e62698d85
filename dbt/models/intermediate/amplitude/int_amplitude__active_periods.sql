with

activity as (
    select * from {{ ref("int_amplitude__user_session_hours") }}
    where
        user_id is not null
        and event_date is not null
        and {{ is_activity("event_type") }}
),

calendars as (
    select * from {{ ref("int_amplitude__calendars") }}
),

-- one row per user and day with an activity
days as (
    select
        activity.project_id,
        activity.user_id,
        activity.event_date,
        sum(activity.event_count)::bigint as event_count
    from activity
    group by 1, 2, 3
),

periods as (
    {% for period in ["day", "week", "month"] -%}
    select
        days.project_id,
        days.user_id,
        '{{ period }}' as period,
        date_trunc('{{ period }}', days.event_date)::date as period_started_date,
        {{ calendar_date(period, "days.event_date") }} as calendar_date,
        count(*) as active_day_count,
        sum(days.event_count)::bigint as event_count
    from days
    inner join calendars on days.project_id = calendars.project_id
    group by 1, 2, 3, 4, 5
    {{ "union all" if not loop.last }}
    {% endfor %}
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["project_id", "md5(user_id)", "period", "period_started_date"]
        ) }} as active_period_id,
        *
    from periods
)

select * from final
