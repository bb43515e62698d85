-- A returned row is a project whose staged events that earn are not as many as the
-- events of its purchases, or whose events in the mart earn another sum than its
-- purchases.
with

staged as (
    select
        project_id,
        count({{ exported_revenue() }}) as event_count
    from {{ ref("stg_amplitude__events") }}
    group by 1
),

earned as (
    select
        project_id,
        coalesce(sum(revenue::decimal(28, 9)), 0) as revenue
    from {{ ref("amplitude__events") }}
    group by 1
),

purchases as (
    select
        project_id,
        sum(event_count) as event_count,
        sum(revenue::decimal(28, 9)) as revenue
    from {{ ref("int_amplitude__purchases") }}
    group by 1
)

select
    staged.project_id,
    staged.event_count,
    purchases.event_count as purchase_event_count,
    earned.revenue,
    purchases.revenue as purchase_revenue
from staged
left join earned on staged.project_id = earned.project_id
left join purchases on staged.project_id = purchases.project_id
where
    staged.event_count != coalesce(purchases.event_count, 0)
    or earned.revenue != coalesce(purchases.revenue, 0)
