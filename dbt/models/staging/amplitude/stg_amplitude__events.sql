{% set limit_days = var("duplicate_window_days") or "null" %}
{% set properties = "events.event_properties" %}

with

events as (
    select * from {{ ref("base_amplitude__events") }}
),

files as (
    select * from {{ ref("stg_amplitude__landed_files") }}
),

-- one row per event of its hour's newest export
exported as (
    select
        events.landed_row_id,
        events.project_id,
        events.device_id,
        events.insert_id,
        events.uploaded_at,
        coalesce(events.event_id, events.landed_row_id) as event_id
    from events
    left join files on events.landing_key = files.landing_key
    where events.is_parsed and coalesce(files.is_current, true)
),

-- one row per exported event, with its place among the copies of the same `uuid`
identified as (
    select
        *,
        row_number() over (
            partition by event_id order by uploaded_at, landed_row_id
        ) as download_number
    from exported
),

-- one row per uploaded event, with its place among the repeats of the same upload
uploaded as (
    select
        *,
        row_number() over (
            partition by project_id, device_id, insert_id
            order by uploaded_at, event_id
        ) as upload_number,
        lag(uploaded_at) over (
            partition by project_id, device_id, insert_id
            order by uploaded_at, event_id
        ) as previous_uploaded_at
    from identified
    where download_number = 1
),

-- one row per event as Amplitude counts it
kept as (
    select
        landed_row_id,
        event_id
    from uploaded
    where
        insert_id is null
        or upload_number = 1
        or datediff('second', previous_uploaded_at, uploaded_at)
        > {{ limit_days }} * 86400
),

-- one row per kept event, with what tells its user, session and place on the page
keyed as (
    select
        -- ids
        kept.event_id,
        events.landed_row_id,
        coalesce(events.amplitude_id, events.amplitude_user_id, events.device_id)
            as user_id,
        nullif(events.amplitude_session_id, -1) as amplitude_session_id,
        events.project_id,
        events.insert_id,
        events.device_event_number,
        events.amplitude_id,
        events.amplitude_user_id,
        events.device_id,
        events.source_id,
        events.partner_id,
        events.advertising_id,
        events.apple_advertising_id,

        -- text
        events.event_type,
        events.amplitude_event_type,
        events.data_type,
        events.schema_version,
        events.client_library,
        events.platform,
        events.os_name,
        events.os_version,
        events.app_version,
        events.first_app_version,
        events.device_type,
        events.device_family,
        events.device_brand,
        events.device_manufacturer,
        events.device_model,
        events.device_carrier,
        events.device_language,
        events.ip_address,
        events.country,
        events.region,
        events.city,
        events.designated_market_area,
        coalesce(
            nullif({{ json_string(properties, "[Amplitude] Element Text") }}, ''),
            nullif({{ json_string(properties, "[Amplitude] Element ID") }}, ''),
            nullif({{ json_string(properties, "[Amplitude] Element Href") }}, ''),
            nullif({{ json_string(properties, "[Amplitude] Element Tag") }}, '')
        ) as element,
        nullif({{ json_string(properties, "[Amplitude] Page URL") }}, '') as page_url,

        -- numbers
        events.sample_rate,
        events.latitude,
        events.longitude,

        -- booleans
        events.is_attribution_event,
        events.is_paying,

        -- dates
        events.occurred_at::date as occurred_date,
        events.uploaded_at::date as uploaded_date,

        -- timestamps
        events.occurred_at,
        events.client_occurred_at,
        events.client_uploaded_at,
        events.received_at,
        events.uploaded_at,
        events.processed_at,
        events.user_created_at,

        -- objects
        events.event_properties,
        events.user_properties,
        events.global_user_properties,
        events.group_properties,
        events.user_groups,
        events.tracking_plan,
        events.ingestion_data,
        events.attribution_ids,

        -- lineage
        events.landing_key,
        events.loaded_at
    from events
    inner join kept on events.landed_row_id = kept.landed_row_id
),

final as (
    select
        *,
        case
            when amplitude_session_id is not null
                then {{ dbt_utils.generate_surrogate_key(
                    ["project_id", "md5(user_id)", "amplitude_session_id"]
                ) }}
        end as session_id
    from keyed
)

select * from final
