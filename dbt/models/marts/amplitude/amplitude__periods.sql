with

calendars as (
    select * from {{ ref("int_amplitude__calendars") }}
),

loaded_ranges as (
    select * from {{ ref("int_amplitude__loaded_ranges") }}
),

dates as (
    select * from {{ ref("int_amplitude__dates") }}
),

-- one row per day of a project's calendar
days as (
    select
        calendars.project_id,
        dates.calendar_date
    from calendars
    inner join dates
        on
            calendars.calendar_started_date <= dates.calendar_date
            and calendars.last_loaded_date >= dates.calendar_date
),

-- one row per day, week and month of a project's calendar
calendar_periods as (
    select
        project_id,
        'day' as period,
        calendar_date as period_started_date,
        calendar_date as period_ended_date,
        false as is_before_calendar
    from days
    union
    select
        project_id,
        'week' as period,
        date_trunc('week', calendar_date)::date as period_started_date,
        date_trunc('week', calendar_date)::date + 6 as period_ended_date,
        false as is_before_calendar
    from days
    union
    select
        project_id,
        'month' as period,
        date_trunc('month', calendar_date)::date as period_started_date,
        last_day(calendar_date) as period_ended_date,
        false as is_before_calendar
    from days
),

-- one row per project and kind of period that has events before the calendar
earlier_periods as (
    {% for period in ["day", "week", "month"] -%}
    select
        calendars.project_id,
        '{{ period }}' as period,
        {{ calendar_date(period, "calendars.first_event_date") }}
            as period_started_date,
        {{ calendar_date(period, "calendars.first_event_date") }} as period_ended_date,
        true as is_before_calendar
    from calendars
    where
        calendars.first_event_date
        < date_trunc('{{ period }}', calendars.calendar_started_date)::date
    {{ "union all" if not loop.last }}
    {% endfor %}
),

periods as (
    select * from calendar_periods
    union all
    select * from earlier_periods
),

-- the same, with the complete days around each period's first day
numbered as (
    select
        periods.*,
        case
            when periods.is_before_calendar then -1
            else
                row_number() over (
                    partition by
                        periods.project_id, periods.period, periods.is_before_calendar
                    order by periods.period_started_date
                )
        end as period_number,
        loaded_ranges.first_complete_date as complete_from_date,
        loaded_ranges.last_complete_date as complete_until_date
    from periods
    left join loaded_ranges
        on
            periods.project_id = loaded_ranges.project_id
            and not periods.is_before_calendar
            and periods.period_started_date >= loaded_ranges.first_complete_date
            and periods.period_started_date <= loaded_ranges.last_complete_date
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
        period_number,
        is_before_calendar,
        complete_from_date,
        complete_until_date,
        coalesce(period_ended_date <= complete_until_date, false) as is_complete
    from numbered
)

select * from final
