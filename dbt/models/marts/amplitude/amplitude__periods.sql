with

loaded_ranges as (
    select * from {{ ref("int_amplitude__loaded_ranges") }}
),

dates as (
    select * from {{ ref("int_amplitude__dates") }}
),

-- one row per day of a project
days as (
    select
        loaded_ranges.project_id,
        loaded_ranges.first_complete_date,
        loaded_ranges.last_complete_date,
        dates.calendar_date
    from loaded_ranges
    inner join dates
        on
            loaded_ranges.first_event_date <= dates.calendar_date
            and loaded_ranges.last_loaded_date >= dates.calendar_date
),

-- one row per day, week and month of a project
periods as (
    select
        project_id,
        'day' as period,
        calendar_date as period_started_date,
        calendar_date as period_ended_date,
        first_complete_date,
        last_complete_date
    from days
    union
    select
        project_id,
        'week' as period,
        date_trunc('week', calendar_date)::date as period_started_date,
        date_trunc('week', calendar_date)::date + 6 as period_ended_date,
        first_complete_date,
        last_complete_date
    from days
    union
    select
        project_id,
        'month' as period,
        date_trunc('month', calendar_date)::date as period_started_date,
        last_day(calendar_date) as period_ended_date,
        first_complete_date,
        last_complete_date
    from days
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["project_id", "period", "period_started_date"]
        ) }} as period_id,
        project_id,
        period,
        period_started_date,
        period_ended_date,
        row_number() over (
            partition by project_id, period order by period_started_date
        ) as period_number,
        period_started_date >= first_complete_date
        and period_ended_date <= last_complete_date as is_complete
    from periods
)

select * from final
