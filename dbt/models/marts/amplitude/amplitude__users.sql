{% set affected_activity = ref("int_amplitude__affected_activity") %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="project_user_id",
        meta={"affected": "int_amplitude__affected_activity"},
        post_hook=mask_for_readers("table", {"user_properties": "object"}),
    )
}}

{% set last_columns = [
    "last_device_id",
    "last_platform",
    "last_device_type",
    "last_device_family",
    "last_os_name",
    "last_os_version",
    "last_app_version",
    "last_device_language",
    "last_country",
    "last_region",
    "last_city",
] %}
{% set source_columns = [
    "referrer",
    "referring_domain",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "click_id_parameter",
] %}

with

days as (
    select * from {{ ref("int_amplitude__user_session_days") }}
    where user_id is not null
),

actions as (
    select * from {{ ref("int_amplitude__user_session_hours") }}
    where user_id is not null
),

sessions as (
    select * from {{ ref("amplitude__sessions") }}
),

{% if is_incremental() -%}
-- one row per affected user
affected as (
    select distinct
        project_id,
        user_id,
        project_user_id
    from {{ affected_activity }}
    where batch_number > {{ watermark() }}
),

{%- endif %}

-- one row per user: totals over their days
lives as (
    select
        days.project_id,
        days.user_id,
        sum(days.event_count)::bigint as event_count,
        sum(days.page_view_count)::bigint as page_view_count,
        min(days.first_occurred_at) as first_seen_at,
        max(days.last_occurred_at) as last_seen_at,
        max_by({{ to_object(last_columns) }}, days.last_key) as last_event,
        max_by(days.user_properties, days.properties_key) as user_properties,
        max_by(days.amplitude_user_id, days.identified_key) as amplitude_user_id
    from days
    {% if is_incremental() -%}
        inner join affected
            on days.project_id = affected.project_id and days.user_id = affected.user_id
    {%- endif %}
    group by 1, 2
),

-- one row per user: on which days they were active, and what they did first
habits as (
    select
        actions.project_id,
        actions.user_id,
        count(
            distinct case
                when {{ is_activity("actions.event_type") }} then actions.event_date
            end
        ) as active_day_count,
        min_by(
            coalesce(actions.event_type, ''),
            {{ order_key(
                "actions.first_occurred_at", "coalesce(actions.event_type, '')"
            ) }}
        ) as first_event_type
    from actions
    {% if is_incremental() -%}
        inner join affected
            on
                actions.project_id = affected.project_id
                and actions.user_id = affected.user_id
    {%- endif %}
    group by 1, 2
),

-- one row per session, with its place among those that came from somewhere
sourced as (
    select
        sessions.*,
        case
            when
                coalesce(sessions.{{ source_columns | join(", sessions.") }})
                is not null
                then sessions.session_number
        end as source_number
    from sessions
    {% if is_incremental() -%}
        inner join affected on sessions.project_user_id = affected.project_user_id
    {%- endif %}
),

-- one row per user: totals over their sessions, and where they came from
visits as (
    select
        project_id,
        user_id,
        count(*) as session_count,
        {{ average_seconds("case when not is_overlong then duration_seconds end") }}
            as average_session_seconds,
        {{ average_seconds("seconds_since_previous_session") }}
            as average_seconds_between_sessions,
        min(started_at) as first_session_started_at,
        max(started_at) as last_session_started_at,
        min_by({{ to_object(source_columns) }}, source_number) as first_touch,
        max_by({{ to_object(source_columns) }}, source_number) as last_touch
    from sourced
    group by 1, 2
),

final as (
    select
        -- ids
        {{ project_user_id("lives.") }} as project_user_id,
        lives.project_id,
        lives.user_id,
        lives.amplitude_user_id,

        -- text
        nullif(habits.first_event_type, '') as first_event_type,
        {{ columns_of("visits.first_touch", source_columns, "first_touch_") }},
        {{ columns_of("visits.last_touch", source_columns, "last_touch_") }},
        {{ columns_of("lives.last_event", last_columns) }},

        -- numbers
        lives.event_count,
        lives.page_view_count,
        habits.active_day_count,
        coalesce(visits.session_count, 0) as session_count,
        visits.average_session_seconds,
        visits.average_seconds_between_sessions,

        -- booleans
        lives.amplitude_user_id is not null as is_identified,

        -- dates
        {{ reporting_date("lives.first_seen_at") }} as first_seen_date,
        {{ reporting_date("lives.last_seen_at") }} as last_seen_date,

        -- timestamps
        lives.first_seen_at,
        lives.last_seen_at,
        visits.first_session_started_at,
        visits.last_session_started_at,

        -- objects
        lives.user_properties
    from lives
    inner join habits
        on lives.project_id = habits.project_id and lives.user_id = habits.user_id
    left join visits
        on lives.project_id = visits.project_id and lives.user_id = visits.user_id
)

select * from final
