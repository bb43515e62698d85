{% set event_columns = [
    "device_id",
    "platform",
    "device_type",
    "device_family",
    "os_name",
    "os_version",
    "app_version",
    "device_language",
    "country",
    "region",
    "city",
] %}
{% set page_columns = ["page_url", "page_path", "page_title"] %}
{% set referrer_columns = ["referrer", "referring_domain"] %}
{% set campaign_columns = [
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "click_id_parameter",
] %}

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

-- one row per event, with its place in the session by the client's clock and in the
-- user's life by Amplitude's
placed as (
    select
        *,
        {{ order_key("client_occurred_at, occurred_at", "event_id") }} as client_order,
        {{ order_key("occurred_at", "event_id") }} as life_order
    from events
),

-- one row per event, with its position among those with a page, with another site
-- or of a campaign
told as (
    select
        *,
        case
            when event_type = '[Amplitude] Page Viewed' then client_order
        end as page_view_key,
        case
            when event_type = '[Amplitude] Page Viewed' then {{ page_key() }}
        end as page_key,
        case
            when
                referrer is not null
                and coalesce(referring_domain, '')
                != coalesce({{ page_host() }}, '')
                then client_order
        end as referrer_key,
        case
            when
                coalesce({{ campaign_columns | join(", ") }}) is not null
                then client_order
        end as campaign_key,
        case when user_properties is not null then life_order end as properties_key,
        case when amplitude_user_id is not null then life_order end as identified_key
    from placed
),

-- one row per session and day
days as (
    select
        session_day_id,
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        occurred_date,
        count(*) as event_count,
        count(page_view_key) as page_view_count,
        min(page_key) as lowest_page_key,
        max(page_key) as highest_page_key,
        min(occurred_at) as first_occurred_at,
        max(occurred_at) as last_occurred_at,
        min(coalesce(client_occurred_at, occurred_at)) as first_client_occurred_at,
        max(coalesce(client_occurred_at, occurred_at)) as last_client_occurred_at,
        min(client_order) as first_key,
        min(page_view_key) as entry_key,
        max(page_view_key) as exit_key,
        min(referrer_key) as referrer_key,
        min(campaign_key) as campaign_key,
        max(life_order) as last_key,
        max(properties_key) as properties_key,
        max(identified_key) as identified_key,
        min_by({{ to_object(event_columns) }}, client_order) as first_event,
        max_by({{ to_object(event_columns) }}, life_order) as last_event,
        min_by({{ to_object(page_columns) }}, page_view_key) as entry_page,
        max_by({{ to_object(page_columns) }}, page_view_key) as exit_page,
        min_by({{ to_object(referrer_columns) }}, referrer_key) as first_referrer,
        min_by({{ to_object(campaign_columns) }}, campaign_key) as first_campaign,
        max_by(user_properties, properties_key) as user_properties,
        max_by(amplitude_user_id, identified_key) as amplitude_user_id
    from told
    group by 1, 2, 3, 4, 5
),

final as (
    select
        session_day_id,
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        amplitude_user_id,
        occurred_date,
        event_count,
        page_view_count,
        lowest_page_key,
        highest_page_key,
        first_occurred_at,
        last_occurred_at,
        first_client_occurred_at,
        last_client_occurred_at,
        first_key,
        {{ columns_of("first_event", event_columns, "first_") }},
        entry_key,
        {{ columns_of("entry_page", page_columns, "entry_") }},
        exit_key,
        {{ columns_of("exit_page", page_columns, "exit_") }},
        referrer_key,
        {{ columns_of("first_referrer", referrer_columns) }},
        campaign_key,
        {{ columns_of("first_campaign", campaign_columns) }},
        last_key,
        {{ columns_of("last_event", event_columns, "last_") }},
        properties_key,
        user_properties,
        identified_key
    from days
)

select * from final
