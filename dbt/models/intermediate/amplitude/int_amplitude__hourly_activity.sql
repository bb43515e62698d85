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
        and {{ on_days("select distinct occurred_date from " ~ changes) }}
),

{% if is_increment() -%}
-- one row per session's day that has changed
changes as (
    select distinct
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        occurred_date
    from {{ changes }}
),

{%- endif %}

-- one row per hour, kind of event and upload of a session's day
activity as (
    select
        events.project_id,
        events.unmerged_user_id,
        events.amplitude_session_id,
        events.occurred_date,
        events.event_date,
        events.event_type,
        date_trunc('hour', events.occurred_at) as event_hour,
        events.uploaded_date,
        -- how late it came: within an hour, a day, a week, 30 days, later
        case
            when events.occurred_at is null or events.uploaded_at is null then null
            {% for seconds in [3600, 86400, 604800, 2592000] -%}
            when
                datediff('second', events.occurred_at, events.uploaded_at)
                < {{ seconds }}
                then {{ loop.index }}
            {% endfor -%}
            else 5
        end as delay_number,
        count(*) as event_count,
        min(events.occurred_at) as first_occurred_at,
        max(events.occurred_at) as last_occurred_at
    from events
    {% if is_increment() -%}
        inner join changes
            on
                events.project_id = changes.project_id
                and events.unmerged_user_id is not distinct from changes.unmerged_user_id
                and events.amplitude_session_id
                is not distinct from changes.amplitude_session_id
                and events.occurred_date is not distinct from changes.occurred_date
    {%- endif %}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
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
            [
                "session_day_id",
                "event_date",
                "event_type",
                "left(event_hour::varchar, 13)",
                "uploaded_date",
                "delay_number",
            ]
        ) }} as hourly_activity_id,
        *
    from keyed
)

select * from final
