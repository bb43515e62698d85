with

periods as (
    select * from {{ ref("amplitude__periods") }}
    where period = 'day'
),

calendars as (
    select * from {{ ref("int_amplitude__calendars") }}
),

users as (
    select * from {{ ref("amplitude__users") }}
),

key_events as (
    select * from {{ ref("int_amplitude__conversion_events") }}
    where revenue is not null
),

-- one row per user, with the last day of their life that the mart follows
cohort_members as (
    select
        users.project_id,
        users.user_id,
        users.first_seen_at,
        {{ calendar_date("day", "users.first_seen_date") }} as cohort_date,
        case
            when users.first_seen_date < calendars.calendar_started_date then 0
            else {{ var("lifetime_value_days") }}
        end as last_day_number,
        calendars.loaded_until_at
    from users
    inner join calendars on users.project_id = calendars.project_id
    where users.first_seen_date <= calendars.last_loaded_date
),

-- one row per user, with the whole 24 hours since the first event, up to the first that
-- the mart does not follow
newcomers as (
    select
        project_id,
        user_id,
        first_seen_at,
        cohort_date,
        last_day_number,
        greatest(
            least(
                floor(
                    datediff('microsecond', first_seen_at, loaded_until_at)
                    / 86400000000.0
                )::bigint,
                last_day_number + 1
            ),
            0
        ) as age_days
    from cohort_members
),

-- one row per event that earns, with the 24 hours of its user's life that it is in
earnings as (
    select
        newcomers.project_id,
        newcomers.user_id,
        newcomers.cohort_date,
        newcomers.age_days,
        key_events.revenue,
        floor(
            datediff('microsecond', newcomers.first_seen_at, key_events.occurred_at)
            / 86400000000.0
        )::bigint as day_number
    from key_events
    inner join newcomers
        on
            key_events.project_id = newcomers.project_id
            and key_events.user_id
            = newcomers.user_id
),

-- one row per user who ever paid
payers as (
    select
        project_id,
        user_id,
        cohort_date,
        age_days,
        min(day_number) as day_number
    from earnings
    group by 1, 2, 3, 4
),

-- one row per cohort and age
cohorts as (
    select
        newcomers.project_id,
        newcomers.cohort_date,
        newcomers.age_days,
        least(newcomers.age_days, newcomers.last_day_number) as last_day_number,
        count(*) as user_count,
        count(payers.user_id) as paying_user_count
    from newcomers
    left join payers
        on
            newcomers.project_id = payers.project_id
            and newcomers.user_id = payers.user_id
    group by 1, 2, 3, 4
),

-- one row per cohort and age, and day that these users have reached
reached_days as (
    select
        cohorts.*,
        item.value::int as day_number
    from cohorts, {{ unnest_numbers("cohorts.last_day_number + 1") }}
),

earned as (
    select
        project_id,
        cohort_date,
        age_days,
        day_number,
        sum(revenue::decimal(28, 9)) as revenue
    from earnings
    group by 1, 2, 3, 4
),

converted as (
    select
        project_id,
        cohort_date,
        age_days,
        day_number,
        count(*) as user_count
    from payers
    group by 1, 2, 3, 4
),

-- the same, with what they had earned by then
days as (
    select
        reached_days.project_id,
        reached_days.cohort_date,
        reached_days.age_days,
        reached_days.user_count,
        reached_days.paying_user_count,
        reached_days.day_number,
        sum(coalesce(earned.revenue, 0)) over (
            partition by
                reached_days.project_id,
                reached_days.cohort_date,
                reached_days.age_days
            order by reached_days.day_number
            rows between unbounded preceding and current row
        ) as revenue,
        sum(coalesce(converted.user_count, 0)) over (
            partition by
                reached_days.project_id,
                reached_days.cohort_date,
                reached_days.age_days
            order by reached_days.day_number
            rows between unbounded preceding and current row
        ) as paid_user_count
    from reached_days
    left join earned
        on
            reached_days.project_id = earned.project_id
            and reached_days.cohort_date = earned.cohort_date
            and reached_days.age_days = earned.age_days
            and reached_days.day_number = earned.day_number
    left join converted
        on
            reached_days.project_id = converted.project_id
            and reached_days.cohort_date = converted.cohort_date
            and reached_days.age_days = converted.age_days
            and reached_days.day_number = converted.day_number
),

-- one row per cohort and day
counted as (
    select
        project_id,
        cohort_date,
        day_number,
        sum(user_count)::bigint as user_count,
        sum(paying_user_count)::bigint as paying_user_count,
        sum(paid_user_count)::bigint as paid_user_count,
        sum(revenue)::double as revenue,
        min(age_days) > day_number as is_over
    from days
    group by 1, 2, 3
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["counted.project_id", "counted.cohort_date", "counted.day_number"]
        ) }} as lifetime_value_id,
        counted.project_id,
        counted.cohort_date,
        counted.day_number,
        max(counted.user_count) over (
            partition by counted.project_id, counted.cohort_date
        ) as cohort_user_count,
        counted.user_count,
        counted.paying_user_count,
        counted.paid_user_count,
        counted.revenue,
        counted.revenue / counted.user_count::double as average_revenue_per_user,
        counted.revenue / nullif(counted.paying_user_count, 0)::double
            as average_revenue_per_paying_user,
        counted.is_over
        and coalesce(
            {{ add_days("counted.cohort_date", "counted.day_number + 1") }}
            <= periods.complete_until_date,
            false
        ) as is_mature,
        periods.is_before_calendar,
        periods.is_complete as is_complete_cohort
    from counted
    inner join periods
        on
            counted.project_id = periods.project_id
            and counted.cohort_date = periods.period_started_date
)

select * from final
