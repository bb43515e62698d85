with

daily_revenue as (
    select * from {{ ref('amplitude__daily_revenue') }}
),

final as (
    select
        project_id,
        revenue_date,
        revenue,
        revenue_event_count,
        paying_user_count,
        active_user_count,
        average_revenue_per_user,
        average_revenue_per_paying_user,
        is_complete
    from daily_revenue
    where not is_before_calendar
    qualify
        row_number() over (
            partition by project_id
            order by revenue_date desc nulls last
        ) <= 400
)

select * from final
order by project_id, revenue_date
