with

active_users as (
    select * from {{ ref('amplitude__active_users') }}
),

final as (
    select
        project_id,
        active_date,
        daily_active_user_count,
        weekly_active_user_count,
        monthly_active_user_count,
        new_user_count,
        daily_monthly_rate,
        is_complete,
        has_whole_week,
        has_whole_month
    from active_users
    where not is_before_calendar
    -- thirteen months, so that a month can be held against that of the year before
    qualify
        row_number() over (
            partition by project_id
            order by active_date desc nulls last
        ) <= 400
)

select * from final
order by project_id, active_date
