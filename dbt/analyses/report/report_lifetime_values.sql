with

lifetime_values as (
    select * from {{ ref('amplitude__lifetime_values') }}
),

final as (
    select
        project_id,
        cohort_date,
        day_number,
        user_count,
        paid_user_count,
        revenue
    from lifetime_values
    where day_number <= 30 and not is_before_calendar
    -- thirteen months of cohorts, as the other charts
    qualify
        dense_rank() over (
            partition by project_id
            order by cohort_date desc nulls last
        ) <= 400
)

select * from final
order by project_id, cohort_date, day_number
