with

periods as (
    select * from {{ ref("amplitude__periods") }}
),

-- one row per user and period of the calendar with an activity
active_periods as (
    select distinct
        project_id,
        user_id,
        period,
        calendar_date
    from {{ ref("int_amplitude__active_periods") }}
),

users as (
    select * from {{ ref("amplitude__users") }}
),

-- one row per user and period with an activity, with the ones before and after
placed as (
    select
        active_periods.project_id,
        active_periods.user_id,
        active_periods.period,
        periods.period_number,
        lag(periods.period_number) over (
            partition by
                active_periods.project_id, active_periods.user_id, active_periods.period
            order by periods.period_number
        ) as previous_active_number,
        lead(periods.period_number) over (
            partition by
                active_periods.project_id, active_periods.user_id, active_periods.period
            order by periods.period_number
        ) as next_active_number,
        users.first_seen_date <= periods.period_ended_date
        and (
            periods.is_before_calendar
            or users.first_seen_date >= periods.period_started_date
        ) as is_new
    from active_periods
    inner join periods
        on
            active_periods.project_id = periods.project_id
            and active_periods.period = periods.period
            and active_periods.calendar_date = periods.period_started_date
    inner join users
        on
            active_periods.project_id = users.project_id
            and active_periods.user_id = users.user_id
),

-- one row per user and what they are in a period
states as (
    select
        project_id,
        period,
        period_number,
        case
            when is_new then 'new'
            when previous_active_number = period_number - 1 then 'current'
            else 'resurrected'
        end as lifecycle_state
    from placed
    union all
    select
        project_id,
        period,
        period_number + 1 as period_number,
        'dormant' as lifecycle_state
    from placed
    where next_active_number is null or next_active_number > period_number + 1
),

-- one row per period, periods without anybody too
counted as (
    select
        periods.project_id,
        periods.period,
        periods.period_started_date,
        periods.is_before_calendar,
        periods.is_complete,
        count(case when states.lifecycle_state = 'new' then 1 end)
            as new_user_count,
        count(case when states.lifecycle_state = 'current' then 1 end)
            as current_user_count,
        count(case when states.lifecycle_state = 'resurrected' then 1 end)
            as resurrected_user_count,
        count(case when states.lifecycle_state = 'dormant' then 1 end)
            as dormant_user_count
    from periods
    left join states
        on
            periods.project_id = states.project_id
            and periods.period = states.period
            and periods.period_number = states.period_number
    group by 1, 2, 3, 4, 5
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["project_id", "period", "period_started_date"]
        ) }} as lifecycle_id,
        project_id,
        period,
        period_started_date,
        new_user_count,
        current_user_count,
        resurrected_user_count,
        dormant_user_count,
        new_user_count + current_user_count + resurrected_user_count
            as active_user_count,
        (new_user_count + resurrected_user_count)
        / nullif(dormant_user_count, 0)::double as pulse,
        is_before_calendar,
        is_complete
    from counted
)

select * from final
