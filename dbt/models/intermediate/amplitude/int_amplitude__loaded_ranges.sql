with

upload_hours as (
    select * from {{ ref("stg_amplitude__upload_hours") }}
),

loaded_files as (
    select * from {{ ref("stg_amplitude__loaded_files") }}
),

activity as (
    select * from {{ ref("int_amplitude__hourly_activity") }}
),

-- one row per upload hour that the ledger has settled or that has files
settled_hours as (
    select
        project_id,
        upload_hour_started_at
    from upload_hours
    where status in ('landed', 'empty') and {{ of_projects("project_id") }}
    union
    select
        project_id,
        upload_hour_started_at
    from loaded_files
    where {{ of_projects("project_id") }}
),

-- one row per project that has such hours
loads as (
    select
        project_id,
        min(upload_hour_started_at) as loaded_from_at,
        max(upload_hour_started_at) + interval '1 hour' as loaded_until_at
    from settled_hours
    where upload_hour_started_at is not null
    group by 1
),

-- one row per project that has events
events as (
    select
        project_id,
        min(event_date) as first_event_date
    from activity
    group by 1
),

final as (
    select
        loads.project_id,
        loads.loaded_from_at,
        loads.loaded_until_at,
        events.first_event_date,
        {{ reporting_date("(loads.loaded_until_at - interval '1 second')") }}
            as last_loaded_date,
        -- a day counts as loaded whole if it began after the load did
        {{ reporting_date("(loads.loaded_from_at - interval '1 second')") }} + 1
            as first_complete_date,
        {{ reporting_date("loads.loaded_until_at") }} - 1 as last_complete_date
    from loads
    inner join events on loads.project_id = events.project_id
)

select * from final
