{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="landing_key",
    )
}}

with

landed as (
    select * from {{ ref("base_amplitude__events") }}
),

{% if is_incremental() -%}
-- one row per file with new rows: Snowpipe may load a large one in several transactions
changed_files as (
    select distinct landing_key
    from landed
    where batch_number > {{ watermark() }}
),

{%- endif %}

final as (
    select
        landing_key,
        split_part(landing_key, '/', 2) as project_id,
        try_cast(
            split_part(landing_key, '/', 3)
            || ' '
            || split_part(landing_key, '/', 4)
            || ':00:00' as timestamp
        ) as upload_hour_started_at,
        count(*) as row_count,
        count({{ counted_session_id() }}) as session_row_count,
        {{ batch_number() }} as batch_number
    from landed
    {% if is_incremental() -%}
        where landing_key in (select landing_key from changed_files)
    {%- endif %}
    group by 1, 2, 3
)

select * from final
