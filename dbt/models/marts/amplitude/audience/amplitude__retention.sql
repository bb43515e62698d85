with

periods as (
    select * from {{ ref("amplitude__periods") }}
),

loaded_ranges as (
    select * from {{ ref("int_amplitude__loaded_ranges") }}
),

users as (
    select * from {{ ref("amplitude__users") }}
    where first_seen_at is not null
),

active_periods as (
    select * from {{ ref("int_amplitude__active_periods") }}
),

activity as (
    select * from {{ ref("int_amplitude__hourly_activity") }}
    where event_hour is not null and {{ is_activity("event_type") }}
),

identities as (
    select * from {{ ref("stg_amplitude__identities") }}
    where is_current
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
        project_id,
        user_id,
        '{{ period }}' as period,
        date_trunc('{{ period }}', first_seen_date)::date as cohort_date,
        first_seen_date,
        date_trunc('hour', first_seen_at) as first_hour
    from users
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per user and calendar period with an activity, counted from the cohort's
calendar_returns as (
    select
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
            and active_periods.period_started_date = active_numbers.period_started_date
),

-- one row per user and hour with an activity
active_hours as (
    select distinct
        activity.project_id,
        coalesce(identities.user_id, activity.unmerged_user_id) as user_id,
        activity.event_hour
    from activity
    left join identities
        on
            activity.project_id = identities.project_id
            and activity.unmerged_user_id = identities.amplitude_id
),

-- one row per user and 24 hours, 7 days or 30 days with an activity, counted from the
-- hour or day of the first event
rolling_returns as (
    select distinct
        newcomers.project_id,
        newcomers.user_id,
        'rolling' as basis,
        newcomers.period,
        newcomers.cohort_date,
        floor(
            datediff('hour', newcomers.first_hour, active_hours.event_hour) / 24
        )::bigint as period_number
    from newcomers
    inner join active_hours
        on
            newcomers.project_id = active_hours.project_id
            and newcomers.user_id = active_hours.user_id
    where newcomers.period = 'day'
    union
    select
        newcomers.project_id,
        newcomers.user_id,
        'rolling' as basis,
        newcomers.period,
        newcomers.cohort_date,
        floor(
            datediff(
                'day', newcomers.first_seen_date, active_periods.period_started_date
            )
            / lengths.day_count
        )::bigint as period_number
    from newcomers
    inner join lengths on newcomers.period = lengths.period
    inner join active_periods
        on
            newcomers.project_id = active_periods.project_id
            and newcomers.user_id = active_periods.user_id
            and active_periods.period = 'day'
    where newcomers.period in ('week', 'month')
),

user_returns as (
    select * from calendar_returns
    union all
    select * from rolling_returns
),

-- one row per cohort
cohorts as (
    select
        project_id,
        period,
        cohort_date,
        count(*) as cohort_user_count
    from newcomers
    group by 1, 2, 3
),

-- one row per cohort and period of the calendar since, and how many days after the
-- cohort's it is over
calendar_cells as (
    select
        cohorts.*,
        own.is_complete as is_complete_cohort,
        'calendar' as basis,
        later.period_number - own.period_number as period_number,
        own.period_ended_date as cohort_ended_date,
        datediff('day', own.period_ended_date, later.period_ended_date) as day_count
    from cohorts
    inner join periods as own
        on
            cohorts.project_id = own.project_id
            and cohorts.period = own.period
            and cohorts.cohort_date = own.period_started_date
    inner join periods as later
        on
            cohorts.project_id = later.project_id
            and cohorts.period = later.period
            and own.period_number <= later.period_number
),

-- one row per cohort and 24 hours, 7 days or 30 days since, and after how many days
-- they are over for the last of the cohort; 24 hours end on the day after
rolling_cells as (
    select
        cohorts.*,
        own.is_complete as is_complete_cohort,
        'rolling' as basis,
        later.period_number - 1 as period_number,
        own.period_ended_date as cohort_ended_date,
        lengths.day_count * later.period_number
        - case when lengths.period = 'day' then 0 else 1 end as day_count
    from cohorts
    inner join lengths on cohorts.period = lengths.period
    inner join loaded_ranges on cohorts.project_id = loaded_ranges.project_id
    inner join periods as own
        on
            cohorts.project_id = own.project_id
            and cohorts.period = own.period
            and cohorts.cohort_date = own.period_started_date
    inner join periods as later
        on
            cohorts.project_id = later.project_id
            and later.period = 'day'
            and lengths.day_count * (later.period_number - 1)
            <= datediff('day', cohorts.cohort_date, loaded_ranges.last_loaded_date)
),

cells as (
    select * from calendar_cells
    union all
    select * from rolling_cells
),

-- one row per user and cell in which they were active
returns as (
    select user_returns.*
    from user_returns
    inner join cells
        on
            user_returns.project_id = cells.project_id
            and user_returns.basis = cells.basis
            and user_returns.period = cells.period
            and user_returns.cohort_date = cells.cohort_date
            and user_returns.period_number = cells.period_number
),

-- one row per cell in which somebody returned
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

-- one row per user who returned, with the last time
last_returns as (
    select
        project_id,
        basis,
        period,
        cohort_date,
        user_id,
        max(period_number) as period_number
    from returns
    group by 1, 2, 3, 4, 5
),

-- one row per cell that is somebody's last
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
                order by cells.period_number desc
                rows between unbounded preceding and current row
            ),
            0
        )::bigint as returned_on_or_after_user_count,
        datediff('day', cells.cohort_ended_date, loaded_ranges.last_complete_date)
        >= cells.day_count as is_mature,
        cells.is_complete_cohort
    from cells
    inner join loaded_ranges on cells.project_id = loaded_ranges.project_id
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
        is_complete_cohort
    from counted
)

select * from final
