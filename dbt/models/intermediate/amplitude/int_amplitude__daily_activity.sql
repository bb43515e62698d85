{{
    config(
        materialized="incremental",
        incremental_strategy="replace",
        unique_key="session_day_id",
        meta={"touched": "stg_amplitude__changes"},
    )
}}

{% set changes = ref("stg_amplitude__changes") %}

with

events as (
    select * from {{ ref("stg_amplitude__events") }}
    where
        {{ counted_traffic() }}
        {% if is_increment() -%}
            and {{ session_day_id() }} in (select session_day_id from {{ changes }})
        {%- endif %}
        and {{ on_days("select distinct occurred_date from " ~ changes) }}
),

-- one row per kind of event in a session's day
activity as (
    select
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        occurred_date,
        event_date,
        event_type,
        count(*) as event_count,
        min(occurred_at) as first_occurred_at,
        max(occurred_at) as last_occurred_at
    from events
    group by 1, 2, 3, 4, 5, 6
),

keyed as (
    select
        {{ session_day_id() }} as session_day_id,
        *
    from activity
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["session_day_id", "event_date", "event_type"]
        ) }} as daily_activity_id,
        {{ daily_performance_id() }} as daily_performance_id,
        *
    from keyed
)

select * from final
