with

periods as (
    select * from {{ ref("amplitude__periods") }}
    where period = 'day'
),

loaded_ranges as (
    select * from {{ ref("int_amplitude__loaded_ranges") }}
),

users as (
    select * from {{ ref("amplitude__users") }}
),

key_events as (
    select * from {{ ref("int_amplitude__key_events") }}
    where revenue is not null
),

identities as (
    select * from {{ ref("stg_amplitude__identities") }}
    where is_current
),

-- one row per user, with the whole 24 hours since the first event
newcomers as (
    select
        users.project_id,
        users.user_id,
        users.first_seen_at,
        users.first_seen_date as cohort_date,
        greatest(
            floor(
                datediff(
                    'microsecond', users.first_seen_at, loaded_ranges.loaded_until_at
                )
                / 86400000000.0
            )::bigint,
            0
        ) as age_days
    from users
    inner join loaded_ranges on users.project_id = loaded_ranges.project_id
    where users.first_seen_date <= loaded_ranges.last_loaded_date
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
    left join identities
        on
            key_events.project_id = identities.project_id
            and key_events.unmerged_user_id = identities.amplitude_id
    inner join newcomers
        on
            key_events.project_id = newcomers.project_id
            and coalesce(identities.user_id, key_events.unmerged_user_id)
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
        count(*) as user_count,
        count(payers.user_id) as paying_user_count
    from newcomers
    left join payers
        on
            newcomers.project_id = payers.project_id
            and newcomers.user_id = payers.user_id
    group by 1, 2, 3
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

-- one row per cohort and age, and day that these users have reached
days as (
    select
        cohorts.project_id,
        cohorts.cohort_date,
        cohorts.age_days,
        cohorts.user_count,
        cohorts.paying_user_count,
        periods.period_number - 1 as day_number,
        sum(coalesce(earned.revenue, 0)) over (
            partition by cohorts.project_id, cohorts.cohort_date, cohorts.age_days
            order by periods.period_number
            rows between unbounded preceding and current row
        ) as revenue,
        sum(coalesce(converted.user_count, 0)) over (
            partition by cohorts.project_id, cohorts.cohort_date, cohorts.age_days
            order by periods.period_number
            rows between unbounded preceding and current row
        ) as paid_user_count
    from cohorts
    inner join periods
        on
            cohorts.project_id = periods.project_id
            and cohorts.age_days >= periods.period_number - 1
    left join earned
        on
            cohorts.project_id = earned.project_id
            and cohorts.cohort_date = earned.cohort_date
            and cohorts.age_days = earned.age_days
            and periods.period_number - 1 = earned.day_number
    left join converted
        on
            cohorts.project_id = converted.project_id
            and cohorts.cohort_date = converted.cohort_date
            and cohorts.age_days = converted.age_days
            and periods.period_number - 1 = converted.day_number
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
        and counted.user_count = max(counted.user_count) over (
            partition by counted.project_id, counted.cohort_date
        ) as is_mature,
        periods.is_complete as is_complete_cohort
    from counted
    inner join periods
        on
            counted.project_id = periods.project_id
            and counted.cohort_date = periods.period_started_date
)

select * from final
