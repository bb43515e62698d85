with

lifetime_values as (
    select * from {{ ref('amplitude__lifetime_values') }}
),

final as (
    select
        project_id,
        cohort_date,
        day_number,
        mature_user_count,
        paying_user_count,
        revenue,
    from lifetime_values
    where day_number <= 30 and mature_user_count > 0
    -- three months of cohorts
    qualify
        dense_rank() over (partition by project_id order by cohort_date desc) <= 92
)

select * from final
order by project_id, cohort_date, day_number
