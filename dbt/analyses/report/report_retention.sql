with

retention as (
    select * from {{ ref('amplitude__retention') }}
),

final as (
    select
        project_id,
        basis,
        period,
        cohort_date,
        period_number,
        cohort_user_count,
        returned_user_count,
        returned_on_or_after_user_count,
        is_mature
    from retention
    where period_number <= 14 and cohort_user_count > 0 and not is_before_calendar
    -- thirteen months, as the other charts; two years of months
    qualify
        dense_rank() over (
            partition by project_id, basis, period order by cohort_date desc nulls last
        ) <= case period when 'day' then 400 when 'week' then 58 else 24 end
)

select * from final
order by project_id, basis, period, cohort_date, period_number
