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

-- one row per hour, event type and upload of a session's day
activity as (
    select
        session_day_id,
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        occurred_date,
        event_date,
        event_type,
        date_trunc('hour', occurred_at) as event_hour,
        uploaded_date,
        -- how late it came: within an hour, a day, a week, 30 days, later
        case
            when occurred_at is null or uploaded_at is null then null
            {% for seconds in [3600, 86400, 604800, 2592000] -%}
            when datediff('second', occurred_at, uploaded_at) < {{ seconds }}
                then {{ loop.index }}
            {% endfor -%}
            else 5
        end as delay_number,
        count(*) as event_count,
        min(occurred_at) as first_occurred_at,
        max(occurred_at) as last_occurred_at
    from events
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [
                "session_day_id",
                "event_date",
                "event_type",
                "left(event_hour::varchar, 13)",
                "uploaded_date",
                "delay_number",
            ]
        ) }} as session_hour_id,
        {{ daily_performance_id() }} as daily_performance_id,
        *
    from activity
)

select * from final
