with

lifecycle as (
    select * from {{ ref('amplitude__lifecycle') }}
),

final as (
    select
        project_id,
        period,
        period_started_date,
        new_user_count,
        current_user_count,
        resurrected_user_count,
        dormant_user_count,
        pulse,
        is_complete
    from lifecycle
    where not is_before_calendar
    qualify
        row_number() over (
            partition by project_id, period order by period_started_date desc nulls last
        ) <= 400
)

select * from final
order by project_id, period, period_started_date
