with

stickiness as (
    select * from {{ ref('amplitude__stickiness') }}
),

final as (
    select
        project_id,
        period,
        period_started_date,
        active_day_number,
        cumulative_user_count,
        active_user_count,
        is_complete
    from stickiness
    -- a year of weeks, two years of months
    qualify
        dense_rank() over (
            partition by project_id, period order by period_started_date desc nulls last
        ) <= case period when 'week' then 58 else 24 end
)

select * from final
order by project_id, period, period_started_date, active_day_number
