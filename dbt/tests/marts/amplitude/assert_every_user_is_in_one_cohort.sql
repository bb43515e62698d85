-- A returned row is a project and kind of cohort whose users are not the project's, but
-- for those without a time and those from after the last day that was loaded.
with

users as (
    select
        people.project_id,
        count(*) as user_count
    from {{ ref("amplitude__users") }} as people
    inner join {{ ref("int_amplitude__calendars") }} as calendars
        on people.project_id = calendars.project_id
    where people.first_seen_date <= calendars.last_loaded_date
    group by 1
),

cohorts as (
    select
        project_id,
        basis,
        period,
        sum(cohort_user_count) as user_count
    from {{ ref("amplitude__retention") }}
    where period_number = 0
    group by 1, 2, 3
    union all
    select
        project_id,
        'rolling' as basis,
        'lifetime value' as period,
        sum(cohort_user_count) as user_count
    from {{ ref("amplitude__lifetime_values") }}
    where day_number = 0
    group by 1
)

select
    users.project_id,
    cohorts.basis,
    cohorts.period,
    users.user_count,
    cohorts.user_count as cohort_user_count
from users
left join cohorts on users.project_id = cohorts.project_id
where users.user_count is distinct from cohorts.user_count
