{% set starts_on = var("calendar_starts_on") %}

with

upload_hours as (
    select * from {{ ref("stg_amplitude__upload_hours") }}
),

loaded_files as (
    select * from {{ ref("stg_amplitude__loaded_files") }}
),

activity as (
    select * from {{ ref("int_amplitude__session_hours") }}
),

-- one row per upload hour that the ledger has settled or that has files
hours as (
    select
        project_id,
        upload_hour_started_at,
        null::timestamp as file_hour_started_at
    from upload_hours
    where is_settled and {{ is_of_chosen_project("project_id") }}
    union all
    select
        project_id,
        upload_hour_started_at,
        upload_hour_started_at as file_hour_started_at
    from loaded_files
    where
        upload_hour_started_at is not null
        and {{ is_of_chosen_project("project_id") }}
),

-- one row per project that has files
loads as (
    select
        project_id,
        min(file_hour_started_at) as first_file_hour_started_at,
        max(upload_hour_started_at) + interval '1 hour' as loaded_until_at
    from hours
    group by 1
    having min(file_hour_started_at) is not null
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
        coalesce(
            {{ literal(starts_on) if starts_on else "null" }}::date,
            {{ reporting_date("loads.first_file_hour_started_at") }}
        ) as calendar_started_date,
        {{ reporting_date("(loads.loaded_until_at - interval '1 second')") }}
            as last_loaded_date,
        loads.loaded_until_at,
        events.first_event_date
    from loads
    inner join events on loads.project_id = events.project_id
)

select * from final
