with

periods as (
    select * from {{ ref("amplitude__periods") }}
),

calendars as (
    select * from {{ ref("int_amplitude__calendars") }}
),

users as (
    select * from {{ ref("amplitude__users") }}
    where first_seen_at is not null
),

active_periods as (
    select * from {{ ref("int_amplitude__active_periods") }}
),

activity as (
    select * from {{ ref("int_amplitude__user_session_hours") }}
    where event_hour is not null and {{ is_activity("event_type") }}
),

-- one row per kind of period: the days that it has if it rolls
lengths as (
    select
        'day' as period,
        1 as day_count
    union all
    select
        'week' as period,
        7 as day_count
    union all
    select
        'month' as period,
        30 as day_count
),

-- one row per user and kind of period, with the cohort
newcomers as (
    {% for period in ["day", "week", "month"] -%}
    select
        users.project_id,
        users.user_id,
        '{{ period }}' as period,
        {{ calendar_date(period, "users.first_seen_date") }} as cohort_date,
        users.first_seen_date,
        date_trunc('hour', users.first_seen_at) as first_hour,
        calendars.last_loaded_date
    from users
    inner join calendars on users.project_id = calendars.project_id
    where users.first_seen_date <= calendars.last_loaded_date
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per user and calendar period with an activity, counted from the cohort's
calendar_returns as (
    select distinct
        newcomers.project_id,
        newcomers.user_id,
        'calendar' as basis,
        newcomers.period,
        newcomers.cohort_date,
        active_numbers.period_number - cohort_numbers.period_number as period_number
    from newcomers
    inner join active_periods
        on
            newcomers.project_id = active_periods.project_id
            and newcomers.user_id = active_periods.user_id
            and newcomers.period = active_periods.period
    inner join periods as cohort_numbers
        on
            newcomers.project_id = cohort_numbers.project_id
            and newcomers.period = cohort_numbers.period
            and newcomers.cohort_date = cohort_numbers.period_started_date
    inner join periods as active_numbers
        on
            active_periods.project_id = active_numbers.project_id
            and active_periods.period = active_numbers.period
            and active_periods.calendar_date = active_numbers.period_started_date
),

-- one row per user and hour with an activity
active_hours as (
    select distinct
        activity.project_id,
        activity.user_id,
        activity.event_hour
    from activity
),

-- one row per user, kind of period and day or hour with an activity, counted in days
-- from the first event
rolling_days as (
    select
        newcomers.project_id,
        newcomers.user_id,
        newcomers.period,
        newcomers.cohort_date,
        newcomers.first_seen_date,
        newcomers.last_loaded_date,
        floor(
            datediff('hour', newcomers.first_hour, active_hours.event_hour) / 24
        )::bigint as day_number
    from newcomers
    inner join active_hours
        on
            newcomers.project_id = active_hours.project_id
            and newcomers.user_id = active_hours.user_id
    where newcomers.period = 'day'
    union all
    select
        newcomers.project_id,
        newcomers.user_id,
        newcomers.period,
        newcomers.cohort_date,
        newcomers.first_seen_date,
        newcomers.last_loaded_date,
        datediff('day', newcomers.first_seen_date, active_periods.period_started_date)
            as day_number
    from newcomers
    inner join active_periods
        on
            newcomers.project_id = active_periods.project_id
            and newcomers.user_id = active_periods.user_id
            and active_periods.period = 'day'
    where newcomers.period in ('week', 'month')
),

-- one row per user and 24 hours, 7 days or 30 days with an activity, of those that have
-- begun by the last day that was loaded
rolling_returns as (
    select distinct
        rolling_days.project_id,
        rolling_days.user_id,
        'rolling' as basis,
        rolling_days.period,
        rolling_days.cohort_date,
        floor(rolling_days.day_number / lengths.day_count)::bigint as period_number
    from rolling_days
    inner join lengths on rolling_days.period = lengths.period
    where
        floor(rolling_days.day_number / lengths.day_count) * lengths.day_count
        <= datediff(
            'day',
            least(rolling_days.first_seen_date, rolling_days.cohort_date),
            rolling_days.last_loaded_date
        )
),

returns as (
    select * from calendar_returns
    where period_number >= 0
    union all
    select * from rolling_returns
    where period_number >= 0
),

-- one row per cohort
cohorts as (
    select
        newcomers.project_id,
        newcomers.period,
        newcomers.cohort_date,
        newcomers.last_loaded_date,
        periods.period_ended_date as cohort_ended_date,
        periods.period_number as cohort_number,
        periods.is_before_calendar,
        periods.complete_until_date,
        periods.is_complete as is_complete_cohort,
        count(*) as cohort_user_count
    from newcomers
    inner join periods
        on
            newcomers.project_id = periods.project_id
            and newcomers.period = periods.period
            and newcomers.cohort_date = periods.period_started_date
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
),

-- one row per project and kind of period, with the last one of the calendar
last_periods as (
    select
        project_id,
        period,
        max(period_number) as period_number
    from periods
    group by 1, 2
),

-- one row per cohort and basis, and how many periods later the last has begun
spans as (
    select
        cohorts.*,
        'calendar' as basis,
        last_periods.period_number - cohorts.cohort_number as last_number
    from cohorts
    inner join last_periods
        on
            cohorts.project_id = last_periods.project_id
            and cohorts.period = last_periods.period
    union all
    select
        cohorts.*,
        'rolling' as basis,
        floor(
            datediff('day', cohorts.cohort_date, cohorts.last_loaded_date)
            / lengths.day_count
        )::bigint as last_number
    from cohorts
    inner join lengths on cohorts.period = lengths.period
),

-- the same, and how many periods the cohort is followed: by day not for ever, and users
-- from before the calendar, who are all in one cohort, not at all
followed as (
    select
        *,
        case
            when is_before_calendar then 0
            when period = 'day' then least(last_number, {{ var("retention_days") }})
            else last_number
        end as last_cell_number
    from spans
),

-- one row per cohort, basis and period since
numbered_cells as (
    select
        followed.*,
        item.value::int as period_number
    from followed, {{ unnest_numbers("followed.last_cell_number + 1") }}
),

-- the same, and the day on which the period is over for the last of the cohort; 24
-- hours end on the day after
cells as (
    select
        numbered_cells.*,
        coalesce(
            periods.period_ended_date,
            {{ add_days(
                "numbered_cells.cohort_ended_date",
                "lengths.day_count * (numbered_cells.period_number + 1)"
                ~ " - case when numbered_cells.period = 'day' then 0 else 1 end"
            ) }}
        ) as over_date
    from numbered_cells
    inner join lengths on numbered_cells.period = lengths.period
    left join periods
        on
            numbered_cells.basis = 'calendar'
            and numbered_cells.project_id = periods.project_id
            and numbered_cells.period = periods.period
            and numbered_cells.cohort_number + numbered_cells.period_number
            = periods.period_number
),

-- one row per cell in which someone returned
returned as (
    select
        project_id,
        basis,
        period,
        cohort_date,
        period_number,
        count(*) as returned_user_count
    from returns
    group by 1, 2, 3, 4, 5
),

-- one row per user who returned, with the last time, or the last that is followed
last_returns as (
    select
        returns.project_id,
        returns.basis,
        returns.period,
        returns.cohort_date,
        returns.user_id,
        least(
            max(returns.period_number), max(followed.last_cell_number)
        ) as period_number
    from returns
    inner join followed
        on
            returns.project_id = followed.project_id
            and returns.basis = followed.basis
            and returns.period = followed.period
            and returns.cohort_date = followed.cohort_date
    group by 1, 2, 3, 4, 5
),

-- one row per cell that is someone's last
last_returned as (
    select
        project_id,
        basis,
        period,
        cohort_date,
        period_number,
        count(*) as last_returned_user_count
    from last_returns
    group by 1, 2, 3, 4, 5
),

counted as (
    select
        cells.project_id,
        cells.basis,
        cells.period,
        cells.cohort_date,
        cells.period_number,
        cells.cohort_user_count,
        coalesce(returned.returned_user_count, 0) as returned_user_count,
        coalesce(
            sum(last_returned.last_returned_user_count) over (
                partition by
                    cells.project_id,
                    cells.basis,
                    cells.period,
                    cells.cohort_date
                order by cells.period_number desc nulls last
                rows between unbounded preceding and current row
            ),
            0
        )::bigint as returned_on_or_after_user_count,
        coalesce(cells.over_date <= cells.complete_until_date, false) as is_mature,
        cells.is_before_calendar,
        cells.is_complete_cohort
    from cells
    left join returned
        on
            cells.project_id = returned.project_id
            and cells.basis = returned.basis
            and cells.period = returned.period
            and cells.cohort_date = returned.cohort_date
            and cells.period_number = returned.period_number
    left join last_returned
        on
            cells.project_id = last_returned.project_id
            and cells.basis = last_returned.basis
            and cells.period = last_returned.period
            and cells.cohort_date = last_returned.cohort_date
            and cells.period_number = last_returned.period_number
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["project_id", "basis", "period", "cohort_date", "period_number"]
        ) }} as retention_id,
        project_id,
        basis,
        period,
        cohort_date,
        period_number,
        cohort_user_count,
        returned_user_count,
        returned_on_or_after_user_count,
        returned_user_count / cohort_user_count::double as return_on_rate,
        returned_on_or_after_user_count / cohort_user_count::double
            as return_on_or_after_rate,
        is_mature,
        is_before_calendar,
        is_complete_cohort
    from counted
)

select * from final
