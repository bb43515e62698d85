{{ config(materialized="amplitude_view") }}

with

landed as (
    select * from {{ ref("base_amplitude__events") }}
),

excluded_rows as (
    select * from {{ ref("stg_amplitude__excluded_rows") }}
    where is_removed
),

identities as (
    select * from {{ ref("stg_amplitude__identities") }}
    where is_current
),

-- one row per event as Amplitude counts it, with whose it is
identified as (
    select
        landed.*,
        coalesce(landed.event_id, landed.landed_row_id) as known_event_id,
        coalesce(identities.user_id, landed.unmerged_user_id) as user_id
    from landed
    left join excluded_rows on landed.landed_row_id = excluded_rows.landed_row_id
    left join identities
        on
            landed.project_id = identities.project_id
            and landed.amplitude_id = identities.amplitude_id
    where
        excluded_rows.landed_row_id is null
        and {{ is_of_chosen_project("landed.project_id") }}
),

keyed as (
    select
        -- ids
        project_id || '/' || known_event_id as project_event_id,
        known_event_id as event_id,
        landed_row_id,
        user_id,
        {{ counted_session_id("user_id") }} as amplitude_session_id,
        amplitude_session_id as exported_session_id,
        project_id,
        unmerged_user_id,
        insert_id,
        device_event_number,
        amplitude_id,
        amplitude_user_id,
        device_id,
        source_id,
        {{ personal_column("partner_id") }},
        {{ personal_column("advertising_id") }},
        {{ personal_column("apple_advertising_id") }},

        -- text
        event_type,
        amplitude_event_type,
        data_type,
        schema_version,
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
        {{ personal_column("device_carrier") }},
        device_language,
        {{ personal_column("ip_address") }},
        country,
        {{ personal_column("region") }},
        {{ personal_column("city") }},
        {{ personal_column("designated_market_area") }},
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

        -- numbers
        sample_rate,
        {{ personal_column("latitude", "double") }},
        {{ personal_column("longitude", "double") }},
        price,
        quantity,
        revenue,

        -- booleans
        is_attribution_event,
        is_paying,
        {{ traffic_of("bot", ref("traffic_rules")) }} as is_bot,
        {{ traffic_of("internal", ref("traffic_rules")) }} as is_internal,

        -- dates
        occurred_date,
        {{ reporting_date("occurred_at") }} as event_date,
        uploaded_date,

        -- timestamps
        occurred_at,
        client_occurred_at,
        client_uploaded_at,
        received_at,
        uploaded_at,
        processed_at,
        user_created_at,

        -- objects
        {{ personal_object("event_properties") }},
        {{ personal_object("user_properties") }},
        {{ personal_object("global_user_properties") }},
        {{ personal_object("group_properties") }},
        user_groups,
        tracking_plan,
        ingestion_data,
        attribution_ids,

        -- lineage
        landing_key,
        loaded_at,
        batch_number
    from identified
),

final as (
    select
        *,
        {{ session_id() }} as session_id,
        {{ session_day_id() }} as session_day_id,
        true
        {%- for kind in variable("excluded_traffic") %}
        and not is_{{ kind }}
        {%- endfor %} as is_counted
    from keyed
)

select * from final
