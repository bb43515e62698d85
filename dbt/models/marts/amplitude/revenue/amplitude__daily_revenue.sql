with

periods as (
    select * from {{ ref("amplitude__periods") }}
    where period = 'day'
),

active_users as (
    select * from {{ ref("amplitude__active_users") }}
),

key_events as (
    select * from {{ ref("int_amplitude__conversion_events") }}
    where revenue is not null and event_date is not null
),

calendars as (
    select * from {{ ref("int_amplitude__calendars") }}
),

-- one row per day with an event that earns
earned as (
    select
        key_events.project_id,
        {{ calendar_date("day", "key_events.event_date") }} as calendar_date,
        sum(key_events.revenue::decimal(28, 9)) as revenue,
        count(*) as revenue_event_count,
        count(distinct key_events.user_id)
            as paying_user_count
    from key_events
    inner join calendars on key_events.project_id = calendars.project_id
    group by 1, 2
),

-- one row per day
days as (
    select
        periods.project_id,
        periods.period_started_date as revenue_date,
        coalesce(earned.revenue, 0)::double as revenue,
        coalesce(earned.revenue_event_count, 0) as revenue_event_count,
        coalesce(earned.paying_user_count, 0) as paying_user_count,
        active_users.daily_active_user_count as active_user_count,
        periods.is_before_calendar,
        periods.is_complete
    from periods
    inner join active_users
        on
            periods.project_id = active_users.project_id
            and periods.period_started_date = active_users.active_date
    left join earned
        on
            periods.project_id = earned.project_id
            and periods.period_started_date = earned.calendar_date
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(["project_id", "revenue_date"]) }}
            as daily_revenue_id,
        project_id,
        revenue_date,
        revenue,
        revenue_event_count,
        paying_user_count,
        active_user_count,
        revenue / nullif(active_user_count, 0)::double as average_revenue_per_user,
        revenue / nullif(paying_user_count, 0)::double
            as average_revenue_per_paying_user,
        paying_user_count / nullif(active_user_count, 0)::double as paying_rate,
        is_before_calendar,
        is_complete
    from days
)

select * from final
