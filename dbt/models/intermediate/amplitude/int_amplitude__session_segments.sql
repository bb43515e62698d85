{% set affected_session_days = ref("stg_amplitude__affected_session_days") %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="session_day_id",
        meta={"affected": "stg_amplitude__affected_session_days"},
    )
}}

with

events as (
    select * from {{ ref("stg_amplitude__events") }}
    where
        is_counted
    {% if is_incremental() -%}
        and {{ is_of_affected_session_day(affected_session_days) }}
    {%- endif %}
),

-- one row per session, day and combination of properties at the time of the events
activity as (
    select
        session_day_id,
        project_id,
        unmerged_user_id,
        event_date,
        platform,
        country,
        app_version,
        count(*) as event_count
    from events
    where
        event_date is not null
        and {{ is_activity("event_type") }}
    group by 1, 2, 3, 4, 5, 6, 7
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [
                "session_day_id",
                "event_date",
                "md5(platform)",
                "md5(country)",
                "md5(app_version)",
            ]
        ) }} as session_segment_id,
        *
    from activity
)

select * from final
