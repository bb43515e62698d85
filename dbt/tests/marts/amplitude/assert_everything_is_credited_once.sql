-- A returned row is a project and way of crediting that has other sessions, new users
-- or purchases than the project, except those without a user.
with

sessions as (
    select
        project_id,
        count(*) as session_count
    from {{ ref("amplitude__sessions") }}
    group by 1
),

users as (
    select
        project_id,
        count(*) as user_count
    from {{ ref("amplitude__users") }}
    group by 1
),

earned as (
    select
        project_id,
        count(*) as event_count
    from {{ ref("int_amplitude__purchases") }}
    where is_counted and unmerged_user_id is not null
    group by 1
),

credited as (
    select
        project_id,
        touch,
        sum(session_count) as session_count,
        sum(new_user_count) as new_user_count,
        sum(revenue_event_count) as revenue_event_count
    from {{ ref("amplitude__attribution") }}
    group by 1, 2
)

select
    users.project_id,
    credited.touch,
    sessions.session_count,
    credited.session_count as credited_session_count,
    users.user_count,
    credited.new_user_count,
    earned.event_count,
    credited.revenue_event_count
from users
left join sessions on users.project_id = sessions.project_id
left join earned on users.project_id = earned.project_id
left join credited on users.project_id = credited.project_id
where
    coalesce(sessions.session_count, 0) is distinct from credited.session_count
    or users.user_count is distinct from credited.new_user_count
    or coalesce(earned.event_count, 0) is distinct from credited.revenue_event_count
