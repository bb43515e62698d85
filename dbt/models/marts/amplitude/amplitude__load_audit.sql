with

upload_hours as (
    select * from {{ ref("stg_amplitude__upload_hours") }}
),

loaded_files as (
    select * from {{ ref("stg_amplitude__loaded_files") }}
),

excluded_rows as (
    select * from {{ ref("stg_amplitude__excluded_rows") }}
),

-- one row per loaded file, with its hour
files as (
    select
        *,
        project_id || '/' || left(upload_hour_started_at::varchar, 19) as upload_hour_id
    from loaded_files
),

-- one row per file: how many of its rows are no events of their own, and why
removed as (
    select
        landing_key,
        count_if(reason = 'not_json') as not_json_count,
        count_if(reason = 'older_export') as older_export_count,
        count_if(reason = 'same_uuid') as same_uuid_count,
        count_if(reason = 'same_insert_id') as same_insert_id_count,
        count({{ counted_session_id() }}) as session_row_count
    from excluded_rows
    where is_removed
    group by 1
),

-- one row per hour: what was loaded, and what became of it
loaded as (
    select
        files.upload_hour_id,
        min(files.project_id) as project_id,
        min(files.upload_hour_started_at) as upload_hour_started_at,
        count(*) as file_count,
        sum(files.row_count)::bigint as landed_row_count,
        coalesce(sum(removed.not_json_count), 0)::bigint as not_json_count,
        coalesce(sum(removed.older_export_count), 0)::bigint as older_export_count,
        coalesce(sum(removed.same_uuid_count), 0)::bigint as same_uuid_count,
        coalesce(sum(removed.same_insert_id_count), 0)::bigint as same_insert_id_count,
        sum(files.session_row_count - coalesce(removed.session_row_count, 0))::bigint
            as session_event_count
    from files
    left join removed on files.landing_key = removed.landing_key
    group by 1
),

-- one row per hour that the ledger names or that has files
known_hours as (
    select
        coalesce(upload_hours.upload_hour_id, loaded.upload_hour_id) as upload_hour_id,
        coalesce(upload_hours.project_id, loaded.project_id) as project_id,
        coalesce(upload_hours.upload_hour_started_at, loaded.upload_hour_started_at)
            as upload_hour_started_at,
        upload_hours.status,
        coalesce(upload_hours.is_settled, false) as is_settled,
        upload_hours.event_count as exported_event_count,
        coalesce(loaded.file_count, 0) as file_count,
        coalesce(loaded.landed_row_count, 0) as landed_row_count,
        coalesce(loaded.older_export_count, 0) as older_export_count,
        coalesce(loaded.not_json_count, 0) as not_json_count,
        coalesce(loaded.same_uuid_count, 0) as same_uuid_count,
        coalesce(loaded.same_insert_id_count, 0) as same_insert_id_count,
        coalesce(loaded.session_event_count, 0) as session_event_count
    from upload_hours
    full outer join loaded on upload_hours.upload_hour_id = loaded.upload_hour_id
),

-- one row per known hour, with the next one, and the hours that the ledger has settled
-- first and last
followed as (
    select
        project_id,
        upload_hour_started_at,
        lead(upload_hour_started_at) over (
            partition by project_id order by upload_hour_started_at
        ) as next_hour_started_at,
        min(case when is_settled then upload_hour_started_at end) over (
            partition by project_id
        ) as first_settled_hour_started_at,
        max(case when is_settled then upload_hour_started_at end) over (
            partition by project_id
        ) as last_settled_hour_started_at
    from known_hours
),

-- one row per gap between such hours, and how many hours are missing in it
gaps as (
    select
        project_id,
        upload_hour_started_at,
        datediff('hour', upload_hour_started_at, next_hour_started_at) - 1
            as missing_hour_count
    from followed
    where
        datediff('hour', upload_hour_started_at, next_hour_started_at) > 1
        and upload_hour_started_at >= first_settled_hour_started_at
        and next_hour_started_at <= last_settled_hour_started_at
),

missing_hours as (
    select
        gaps.project_id,
        {{ dbt.dateadd(
            "hour", "(item.value::int + 1)", "gaps.upload_hour_started_at"
        ) }} as upload_hour_started_at
    from gaps, {{ unnest_numbers("gaps.missing_hour_count") }}
),

hours as (
    select * from known_hours
    union all
    select
        project_id || '/' || left(upload_hour_started_at::varchar, 19)
            as upload_hour_id,
        project_id,
        upload_hour_started_at,
        'missing' as status,
        false as is_settled,
        null as exported_event_count,
        0 as file_count,
        0 as landed_row_count,
        0 as older_export_count,
        0 as not_json_count,
        0 as same_uuid_count,
        0 as same_insert_id_count,
        0 as session_event_count
    from missing_hours
),

final as (
    select
        *,
        coalesce(status = 'empty', false) and landed_row_count > 0 as is_emptied,
        landed_row_count
        - older_export_count
        - not_json_count
        - same_uuid_count
        - same_insert_id_count as staged_event_count,
        landed_row_count
        - older_export_count
        - not_json_count
        - same_uuid_count
        - same_insert_id_count
        - session_event_count as outside_event_count
    from hours
)

select * from final
