-- A returned row is a landed event that is not staged, neither itself nor as the event
-- that it repeats, or an event that is staged although it repeats another.
{{ config(enabled=var("duplicate_window_days") is none) }}

with

landed as (
    select base.*
    from {{ ref("base_amplitude__events") }} as base
    left join {{ ref("stg_amplitude__landed_files") }} as files
        on base.landing_key = files.landing_key
    where base.is_parsed and coalesce(files.is_current, true)
),

staged as (
    select * from {{ ref("stg_amplitude__events") }}
),

lost as (
    select landed.landed_row_id
    from landed
    left join staged as same_event
        on coalesce(landed.event_id, landed.landed_row_id) = same_event.event_id
    left join staged as repeated_event
        on
            landed.insert_id = repeated_event.insert_id
            and landed.project_id = repeated_event.project_id
            and landed.device_id is not distinct from repeated_event.device_id
    where same_event.event_id is null and repeated_event.event_id is null
),

doubled as (
    select max(landed_row_id) as landed_row_id
    from staged
    where insert_id is not null
    group by project_id, device_id, insert_id
    having count(*) > 1
)

select landed_row_id from lost
union all
select landed_row_id from doubled
