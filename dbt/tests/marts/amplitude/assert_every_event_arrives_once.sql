-- A returned row is a project of which more or fewer events arrived than happened.
with

days as (
    select
        project_id,
        sum(event_count) as event_count
    from {{ ref("amplitude__daily_performance") }}
    group by 1
),

arrived as (
    select
        project_id,
        sum(event_count) as event_count
    from {{ ref("amplitude__lateness") }}
    group by 1
)

select
    days.project_id,
    days.event_count,
    arrived.event_count as arrived_event_count
from days
left join arrived on days.project_id = arrived.project_id
where days.event_count is distinct from arrived.event_count
