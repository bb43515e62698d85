-- A returned row is an upload day whose landed rows are not its staged events and its
-- removed rows together: events were lost, or counted twice.
{{ config(enabled=not var("projects")) }}

with

landed as (
    select
        uploaded_date,
        count(*) as row_count
    from {{ ref("base_amplitude__events") }}
    group by 1
),

removed as (
    select
        base.uploaded_date,
        count(*) as row_count
    from {{ ref("stg_amplitude__excluded_rows") }} as excluded_rows
    inner join {{ ref("base_amplitude__events") }} as base
        on excluded_rows.landed_row_id = base.landed_row_id
    where excluded_rows.is_removed
    group by 1
),

staged as (
    select
        uploaded_date,
        count(*) as event_count
    from {{ ref("stg_amplitude__events") }}
    group by 1
)

select
    landed.uploaded_date,
    landed.row_count as landed_row_count,
    removed.row_count as removed_row_count,
    staged.event_count
from landed
left join removed on landed.uploaded_date is not distinct from removed.uploaded_date
left join staged on landed.uploaded_date is not distinct from staged.uploaded_date
where
    landed.row_count
    != coalesce(removed.row_count, 0) + coalesce(staged.event_count, 0)
