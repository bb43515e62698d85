with

engagement as (
    select * from {{ ref('amplitude__engagement') }}
),

-- one row per kind of event of a recent period, the most widely used ones
final as (
    select
        project_id,
        period,
        period_started_date,
        {{ masked('event_type') }} as event_type,
        active_user_count,
        user_count,
        event_count,
        breadth_rate,
        average_event_count,
        count(*) over (
            partition by project_id, period, period_started_date
        ) as event_type_count,
        is_complete
    from engagement
    where not is_before_calendar
    qualify
        dense_rank() over (
            partition by project_id, period order by period_started_date desc
        ) <= 13
        and row_number() over (
            partition by project_id, period, period_started_date
            order by user_count desc, event_count desc, event_type asc
        ) <= 40
)

select * from final
order by project_id, period, period_started_date, event_type
