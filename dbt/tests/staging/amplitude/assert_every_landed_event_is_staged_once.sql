-- A returned row is a logical event that is landed but not staged, or staged twice.
{{ config(enabled=var("duplicate_window_days") is none) }}

with

landed as (
    select distinct
        case
            when insert_id is null then coalesce(event_id, landed_row_id)
            else project_id || '/' || coalesce(device_id, '') || '/' || insert_id
        end as logical_event
    from {{ ref("base_amplitude__events") }}
    where is_parsed
),

staged as (
    select
        case
            when insert_id is null then event_id
            else project_id || '/' || coalesce(device_id, '') || '/' || insert_id
        end as logical_event,
        count(*) as row_count
    from {{ ref("stg_amplitude__events") }}
    group by 1
)

select
    landed.logical_event,
    staged.row_count
from landed
left join staged on landed.logical_event = staged.logical_event
where coalesce(staged.row_count, 0) != 1
