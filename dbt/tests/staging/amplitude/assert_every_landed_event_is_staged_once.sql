-- A returned row is a landed event that is not staged although it repeats no other, or
-- an event that is staged although it repeats another.
{{ config(enabled=var("duplicate_window_days") is none) }}

with

landed as (
    select base.*
    from {{ ref("base_amplitude__events") }} as base
    left join {{ ref("stg_amplitude__landed_files") }} as files
        on base.landing_key = files.landing_key
    where
        base.is_parsed
        and coalesce(files.is_current, true)
        and {{ is_of_chosen_project("base.project_id") }}
),

staged as (
    select * from {{ ref("stg_amplitude__events") }}
),

-- one row per uuid of a project: of its copies only the first can be an event
first_copies as (
    select * from landed
    qualify
        row_number() over (
            partition by project_id, coalesce(event_id, landed_row_id)
            order by uploaded_at, landed_row_id
        ) = 1
),

lost as (
    select first_copies.landed_row_id
    from first_copies
    left join staged as same_event
        on first_copies.landed_row_id = same_event.landed_row_id
    left join staged as repeated_event
        on
            first_copies.insert_id = repeated_event.insert_id
            and first_copies.project_id = repeated_event.project_id
            and first_copies.device_id is not distinct from repeated_event.device_id
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
