{% set affected_activity = ref("int_amplitude__affected_activity") %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="session_id",
        meta={"affected": "int_amplitude__affected_activity"},
    )
}}

with

repeated_events as (
    select * from {{ ref("int_amplitude__many_click_sessions") }}
    {% if is_incremental() -%}
        where
            session_id in (
                select session_id from {{ affected_activity }}
                where batch_number > {{ watermark() }}
            )
    {%- endif %}
),

-- one row per interaction that happened more than twice in a session
final as (
    select
        interaction_id as repeat_click_id,
        project_id,
        user_id,
        session_id,
        event_type,
        element,
        page_url,
        count(*) as event_count,
        {{ average_seconds("gap_seconds") }} as average_gap_seconds,
        min(gap_seconds) as minimum_gap_seconds,
        {{ median_seconds("gap_seconds") }} as median_gap_seconds,
        datediff('microsecond', min(occurred_at), max(occurred_at)) / 1000000.0
            as duration_seconds,
        min(occurred_at) as first_occurred_at,
        max(occurred_at) as last_occurred_at
    from repeated_events
    group by 1, 2, 3, 4, 5, 6, 7
)

select * from final
