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

counted as (
    select
        landing_key,
        undocumented_keys,
        missing_keys,
        count(*) as row_count,
        count_if(unparsed_field_count > 0) as unparsed_row_count,
        count_if(occurred_at is null) as no_event_time_count,
        count_if(amplitude_id is null) as no_amplitude_id_count,
        count_if(not has_session_id) as no_session_id_count
    from landed
    where
        is_parsed
    {% if is_incremental() -%}
        and landing_key in (select landing_key from changed_files)
    {%- endif %}
    group by 1, 2, 3
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["landing_key", "undocumented_keys", "missing_keys"]
        ) }} as file_content_id,
        split_part(landing_key, '/', 2) as project_id,
        try_cast(split_part(landing_key, '/', 3) as date) as uploaded_date,
        *,
        {{ batch_number() }} as batch_number
    from counted
)

select * from final
