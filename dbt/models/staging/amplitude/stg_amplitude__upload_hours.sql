with

lines as (
    select * from {{ ref("base_amplitude__ledger_lines") }}
),

-- one row per upload hour: of several lines the newest counts
final as (
    select
        coalesce(project_id, 'unknown') || '/' || upload_hour_started_at::varchar
            as upload_hour_id,
        coalesce(project_id, 'unknown') as project_id,
        run_id,
        status,
        event_count,
        file_count,
        byte_count,
        upload_hour_started_at,
        exported_at
    from lines
    qualify
        row_number() over (
            partition by coalesce(project_id, 'unknown'), upload_hour_started_at
            order by exported_at desc, ledger_line_id desc
        ) = 1
)

select * from final
