with

segments as (
    select * from {{ ref('amplitude__segments') }}
),

-- the same, without values that few users have, or that hold personal data
named as (
    select
        *,
        max(active_user_count) over (
            partition by project_id, segment, segment_value
        ) as most_user_count
    from segments
    where
        not is_before_calendar
        and segment != 'all'
        and period != 'day'
    qualify
        most_user_count >= {{ variable('report_minimum_users') }}
        and segment_value is not distinct from {{ masked('segment_value') }}
),

-- one row per value and recent period
final as (
    select
        project_id,
        period,
        period_started_date,
        segment,
        segment_value,
        active_user_count,
        active_user_rate,
        session_count,
        event_count,
        is_complete
    from named
    qualify
        dense_rank() over (
            partition by project_id, period order by period_started_date desc nulls last
        ) <= 13
)

select * from final
order by project_id, period, period_started_date, segment, segment_value
