{{
    config(
        materialized="amplitude_view",
        post_hook=mask_for_readers("view", {
            "ip_address": "text",
            "latitude": "number",
            "longitude": "number",
            "user_properties": "object",
        }),
    )
}}

with

events as (
    select * from {{ ref("stg_amplitude__events") }}
),

purchases as (
    select * from {{ ref("int_amplitude__purchases") }}
),

-- one row per event, with what it earned
earned as (
    select
        events.*,
        purchases.revenue as purchase_revenue
    from events
    left join purchases on events.project_event_id = purchases.project_event_id
),

final as (
    select
        -- ids
        project_event_id,
        event_id,
        project_id,
        user_id,
        {{ project_user_id() }} as project_user_id,
        session_id,
        amplitude_id,
        amplitude_user_id,
        nullif(exported_session_id, -1) as amplitude_session_id,
        device_id,
        device_event_number,
        insert_id,

        -- text
        event_type,
        element,
        page_url,
        page_path,
        page_title,
        page_domain,
        referrer,
        referring_domain,
        utm_source,
        utm_medium,
        utm_campaign,
        utm_term,
        utm_content,
        click_id_parameter,
        product_id,
        revenue_type,
        client_library,
        platform,
        os_name,
        os_version,
        app_version,
        first_app_version,
        device_type,
        device_family,
        device_brand,
        device_manufacturer,
        device_model,
        device_carrier,
        device_language,
        ip_address,
        country,
        region,
        city,
        designated_market_area,

        -- numbers
        latitude,
        longitude,
        price,
        quantity,
        purchase_revenue as revenue,

        -- booleans
        {{ is_activity("event_type") }} as is_activity,
        is_paying,
        is_bot,
        is_internal,

        -- dates
        event_date,
        occurred_date,
        uploaded_date,

        -- timestamps
        occurred_at,
        client_occurred_at,
        client_uploaded_at,
        received_at,
        uploaded_at,

        -- objects
        event_properties,
        user_properties,
        group_properties,
        user_groups
    from earned
)

select * from final
