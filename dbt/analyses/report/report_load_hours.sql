with

load_audit as (
    select * from {{ ref('amplitude__load_audit') }}
),

-- one row per upload hour, with the rows of its newest export
final as (
    select
        project_id,
        upload_hour_started_at,
        status,
        is_settled,
        exported_event_count,
        landed_row_count - older_export_count as loaded_row_count,
        staged_event_count
    from load_audit
)

select * from final
order by project_id, upload_hour_started_at
