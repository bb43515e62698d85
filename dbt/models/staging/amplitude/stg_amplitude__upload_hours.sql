with

lines as (
    select * from {{ ref("base_amplitude__ledger_lines") }}
),

-- one row per ledger line; before a key's first file its project has no name
named as (
    select
        * exclude (project_id),
        coalesce(
            project_id, max(project_id) over (partition by api_key_id), 'unknown'
        ) as project_id
    from lines
    where has_valid_time
),

-- one row per upload hour: of several lines the newest counts, and any that Amplitude's
-- clock dates before all others
newest as (
    select
        -- Snowflake's text of a timestamp has a fraction
        project_id || '/' || left(upload_hour_started_at::varchar, 19)
            as upload_hour_id,
        project_id,
        run_id,
        status,
        event_count,
        file_count,
        byte_count,
        upload_hour_started_at,
        exported_at,
        batch_number
    from named
    qualify
        row_number() over (
            partition by project_id, upload_hour_started_at
            order by
                clock = 'server' desc nulls last,
                exported_at desc nulls last,
                ledger_line_id desc nulls last
        ) = 1
),

final as (
    select
        *,
        status in ('landed', 'empty')
        or upload_hour_id in (
            ''
            {%- for hour in variable("too_large_hours_accepted") %}
                , {{ literal(hour) }}
            {%- endfor %}
        ) as is_settled
    from newest
)

select * from final
