with

periods as (
    select * from {{ ref("amplitude__periods") }}
    where period in ('week', 'month') and not is_before_calendar
),

active_periods as (
    select * from {{ ref("int_amplitude__active_periods") }}
    where period in ('week', 'month')
),

day_numbers as (
    {% for number in range(1, 32) -%}
    select {{ number }} as active_day_number
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per period and number of days: how many were active on exactly so many
counts as (
    select
        project_id,
        period,
        period_started_date,
        active_day_count as active_day_number,
        count(*) as exact_user_count
    from active_periods
    group by 1, 2, 3, 4
),

-- one row per period and number of days that it has, without gaps
distribution as (
    select
        periods.project_id,
        periods.period,
        periods.period_started_date,
        periods.is_complete,
        day_numbers.active_day_number,
        coalesce(counts.exact_user_count, 0) as exact_user_count,
        coalesce(
            sum(counts.exact_user_count) over (
                partition by
                    periods.project_id, periods.period, periods.period_started_date
                order by day_numbers.active_day_number desc nulls last
                rows between unbounded preceding and current row
            ),
            0
        )::bigint as cumulative_user_count,
        coalesce(
            sum(counts.exact_user_count) over (
                partition by
                    periods.project_id, periods.period, periods.period_started_date
            ),
            0
        )::bigint as active_user_count
    from periods
    inner join day_numbers
        on
            day_numbers.active_day_number
            <= datediff('day', periods.period_started_date, periods.period_ended_date)
            + 1
    left join counts
        on
            periods.project_id = counts.project_id
            and periods.period = counts.period
            and periods.period_started_date = counts.period_started_date
            and day_numbers.active_day_number = counts.active_day_number
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["project_id", "period", "period_started_date", "active_day_number"]
        ) }} as stickiness_id,
        project_id,
        period,
        period_started_date,
        active_day_number,
        exact_user_count,
        cumulative_user_count,
        active_user_count,
        exact_user_count / nullif(active_user_count, 0)::double as exact_rate,
        cumulative_user_count / nullif(active_user_count, 0)::double
            as cumulative_rate,
        is_complete
    from distribution
)

select * from final
