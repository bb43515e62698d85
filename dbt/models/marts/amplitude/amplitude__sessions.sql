{% set affected_activity = ref("int_amplitude__affected_activity") %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="session_id",
        meta={"affected": "int_amplitude__affected_activity"},
    )
}}

{% set first_columns = [
    "first_device_id",
    "first_platform",
    "first_device_type",
    "first_device_family",
    "first_os_name",
    "first_os_version",
    "first_app_version",
    "first_device_language",
    "first_country",
    "first_region",
    "first_city",
] %}
{% set entry_columns = ["entry_page_url", "entry_page_path", "entry_page_title"] %}
{% set exit_columns = ["exit_page_url", "exit_page_path", "exit_page_title"] %}
{% set referrer_columns = ["referrer", "referring_domain"] %}
{% set campaign_columns = [
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
    where amplitude_session_id is not null
),

{% if is_incremental() -%}
affected as (
    select * from {{ affected_activity }}
    where batch_number > {{ watermark() }}
),

-- one row per affected session
affected_sessions as (
    select distinct
        project_id,
        user_id,
        amplitude_session_id,
        session_id
    from affected
    where session_id is not null
),

affected_days as (
    select days.*
    from days
    inner join affected_sessions
        on
            days.project_id = affected_sessions.project_id
            and days.user_id = affected_sessions.user_id
            and days.amplitude_session_id = affected_sessions.amplitude_session_id
),

{%- else -%}
affected_days as (
    select * from days
),

{%- endif %}

-- one row per session: totals over its days
summed as (
    select
        project_id,
        user_id,
        amplitude_session_id,
        sum(event_count)::bigint as event_count,
        sum(page_view_count)::bigint as page_view_count,
        min(lowest_page_key) as lowest_page_key,
        max(highest_page_key) as highest_page_key,
        min(first_client_occurred_at) as started_at,
        max(last_client_occurred_at) as ended_at,
        min(first_occurred_at) as first_occurred_at,
        max(last_occurred_at) as last_occurred_at,
        max_by(amplitude_user_id, identified_key) as amplitude_user_id,
        min_by({{ to_object(first_columns) }}, first_key) as first_event,
        min_by({{ to_object(entry_columns) }}, entry_key) as entry_page,
        max_by({{ to_object(exit_columns) }}, exit_key) as exit_page,
        min_by({{ to_object(referrer_columns) }}, referrer_key) as first_referrer,
        min_by({{ to_object(campaign_columns) }}, campaign_key) as first_campaign
    from affected_days
    group by 1, 2, 3
),

described as (
    select
        -- ids
        {{ session_id() }} as session_id,
        project_id,
        user_id,
        {{ project_user_id() }} as project_user_id,
        amplitude_session_id,
        amplitude_user_id,

        -- text
        {{ columns_of("first_event", first_columns) | replace(" as first_", " as ") }},
        {{ columns_of("entry_page", entry_columns) }},
        {{ columns_of("exit_page", exit_columns) }},
        {{ columns_of("first_referrer", referrer_columns) }},
        {{ columns_of("first_campaign", campaign_columns) }},

        -- numbers
        event_count,
        page_view_count,
        datediff('microsecond', started_at, ended_at) / 1000000.0 as duration_seconds,

        -- booleans
        coalesce(lowest_page_key = highest_page_key, false) as is_bounced,
        {{ is_overlong("started_at", "ended_at") }} as is_overlong,

        -- dates
        {{ reporting_date("started_at") }} as started_date,

        -- timestamps
        started_at,
        ended_at,
        first_occurred_at,
        last_occurred_at
    from summed
),

{% if is_incremental() -%}
known as (
    select * from {{ this }}
),

-- one row per session that stays as it is, of the users that have others
unaffected as (
    select known.*
    from known
    left join affected_sessions on known.session_id = affected_sessions.session_id
    where
        affected_sessions.session_id is null
        and known.project_user_id in (select project_user_id from affected)
),

-- one row per session of these users
sessions as (
    select
        *,
        null::bigint as known_session_number,
        null::timestamp as known_previous_ended_at
    from described
    union all
    select
        * exclude (
            session_number,
            previous_ended_at,
            seconds_since_previous_session,
            is_first_session
        ),
        session_number as known_session_number,
        previous_ended_at as known_previous_ended_at
    from unaffected
),

{%- else -%}
sessions as (
    select * from described
),

{%- endif %}

-- one row per session, with its place among those of its user
numbered as (
    select
        *,
        row_number() over (
            partition by project_id, user_id order by started_at, amplitude_session_id
        ) as session_number,
        lag(ended_at) over (
            partition by project_id, user_id order by started_at, amplitude_session_id
        ) as previous_ended_at
    from sessions
),

final as (
    select
        {{ "* exclude (known_session_number, known_previous_ended_at)"
            if is_incremental() else "*" }},
        datediff('microsecond', previous_ended_at, started_at) / 1000000.0
            as seconds_since_previous_session,
        session_number = 1 as is_first_session
    from numbered
    {% if is_incremental() -%}
        where
            known_session_number is distinct from session_number
            or known_previous_ended_at is distinct from previous_ended_at
    {%- endif %}
)

select * from final
