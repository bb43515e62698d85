with

engagement as (
    select * from {{ ref('amplitude__engagement') }}
),

-- the same, without event types that few users have, or whose names hold personal
-- data
named as (
    select
        *,
        max(user_count) over (partition by project_id, event_type) as most_user_count
    from engagement
    where not is_before_calendar
    qualify
        most_user_count >= {{ variable('report_minimum_users') }}
        and event_type is not distinct from {{ masked('event_type') }}
),

-- one row per event type of a recent period, the most widely used ones
final as (
    select
        project_id,
        period,
        period_started_date,
        event_type,
        active_user_count,
        user_count,
        event_count,
        breadth_rate,
        average_event_count,
        count(*) over (
            partition by project_id, period, period_started_date
        ) as event_type_count,
        is_complete
    from named
    qualify
        dense_rank() over (
            partition by project_id, period order by period_started_date desc nulls last
        ) <= 13
        and row_number() over (
            partition by project_id, period, period_started_date
            order by
                user_count desc nulls last,
                event_count desc nulls last,
                event_type asc
        ) <= 40
)

select * from final
order by project_id, period, period_started_date, event_type
