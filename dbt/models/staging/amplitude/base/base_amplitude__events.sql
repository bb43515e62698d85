{#- What is null if a field could not be read. -#}
{% set typed_fields = {
    "event_id": "device_event_number",
    "session_id": "exported_session_id",
    "sample_rate": "sample_rate",
    "location_lat": "latitude",
    "location_lng": "longitude",
    "event_time": "occurred_at",
    "client_event_time": "client_occurred_at",
    "client_upload_time": "client_uploaded_at",
    "server_received_time": "received_at",
    "server_upload_time": "uploaded_at",
    "processed_time": "processed_at",
    "user_creation_time": "user_created_at",
} %}
{% set typed_properties = {
    "$price": "price",
    "$quantity": "quantity",
    "$revenue": "revenue",
} %}

{#- What the SDKs and people most often say of an event. -#}
{% set properties = {
    "[Amplitude] Element Text": "JSON",
    "[Amplitude] Element ID": "JSON",
    "[Amplitude] Element Href": "JSON",
    "[Amplitude] Element Tag": "JSON",
    "[Amplitude] Page URL": "JSON",
    "[Amplitude] Page Path": "JSON",
    "[Amplitude] Page Title": "JSON",
    "[Amplitude] Page Domain": "JSON",
    "referrer": "JSON",
    "referring_domain": "JSON",
    "utm_source": "JSON",
    "utm_medium": "JSON",
    "utm_campaign": "JSON",
    "utm_term": "JSON",
    "utm_content": "JSON",
    "$productId": "JSON",
    "$revenueType": "JSON",
    "$price": "VARCHAR",
    "$quantity": "VARCHAR",
    "$revenue": "VARCHAR",
} %}

{#- Ids that ad networks add to the address of a click; of several the first counts.
`fbclid` is last, because Facebook adds it to links that are not ads, too. -#}
{% set click_ids = [
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "msclkid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "rdt_cid",
    "rtd_cid",
    "ScCid",
    "ko_click_id",
    "fbclid",
] %}
{% for click_id in click_ids %}
{% do properties.update({click_id: "JSON"}) %}
{% endfor %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="append",
        pre_hook=[
            "{{ find_new_files('events') }}",
            "{{ skip_truncated_files() }}",
            "{{ set_file_times() }}",
        ],
        post_hook={"sql": "{{ number_new_rows() }}", "transaction": false},
    )
}}

with

landed as (
    select * from {{ source("amplitude", "events") }}
),

-- one row per line that was not here before
parsed as (
    select
        *,
        {{ landing_key("filename", "events") }} as landing_key,
        {{ parse_line(exported_fields()) }} as exported
    from landed
    -- by row, because Snowpipe may load a large file in several transactions
    where {{ is_landed_file("events") }}
    {% if is_incremental() -%}
        and {{ is_new_row(source("amplitude", "events")) }}
    {%- endif %}
    {% if target.type == "snowflake" -%}
        -- a row is there twice if a file was copied by hand besides the pipe
        qualify
            file_row_number is null
            or row_number() over (
                partition by filename, file_row_number order by loaded_at
            ) = 1
    {%- endif %}
),

described as (
    select
        *,
        {{ parse_json("exported['event_properties']", properties) }} as properties,
        {{ exported_keys() }} as exported_keys
    from parsed
),

-- one row per line, with numbers and times as such
typed as (
    select
        *,
        {{ whole_number("exported['event_id']::varchar") }} as device_event_number,
        {{ whole_number("exported['session_id']::varchar") }} as exported_session_id,
        {{ number("exported['sample_rate']::varchar") }} as sample_rate,
        {{ number("exported['location_lat']::varchar") }} as latitude,
        {{ number("exported['location_lng']::varchar") }} as longitude,
        {{ number("properties['$price']::varchar") }} as exported_price,
        {{ number("properties['$quantity']::varchar") }} as quantity,
        {{ number("properties['$revenue']::varchar") }} as revenue,
        {{ utc_time("exported['event_time']::varchar") }} as occurred_at,
        {{ utc_time("exported['client_event_time']::varchar") }} as client_occurred_at,
        {{ utc_time("exported['client_upload_time']::varchar") }} as client_uploaded_at,
        {{ utc_time("exported['server_received_time']::varchar") }} as received_at,
        {{ utc_time("exported['server_upload_time']::varchar") }} as uploaded_at,
        {{ utc_time("exported['processed_time']::varchar") }} as processed_at,
        {{ utc_time("exported['user_creation_time']::varchar") }} as user_created_at
    from described
),

final as (
    select
        -- ids
        landing_key || '#' || file_row_number as landed_row_id,
        split_part(landing_key, '/', 2) as project_id,
        nullif(exported['uuid']::varchar, '') as event_id,
        nullif(exported['$insert_id']::varchar, '') as insert_id,
        exported['$insert_key']::varchar as insert_key,
        device_event_number,
        nullif(exported['amplitude_id']::varchar, '') as amplitude_id,
        nullif(exported['user_id']::varchar, '') as amplitude_user_id,
        nullif(exported['device_id']::varchar, '') as device_id,
        coalesce(exported_session_id, -1) as amplitude_session_id,
        exported['source_id']::varchar as source_id,
        exported['partner_id']::varchar as partner_id,
        exported['adid']::varchar as advertising_id,
        exported['idfa']::varchar as apple_advertising_id,
        coalesce(
            nullif(exported['amplitude_id']::varchar, ''),
            'user:' || nullif(exported['user_id']::varchar, ''),
            'device:' || nullif(exported['device_id']::varchar, '')
        ) as unmerged_user_id,

        -- text
        nullif(exported['event_type']::varchar, '') as event_type,
        exported['amplitude_event_type']::varchar as amplitude_event_type,
        exported['data_type']::varchar as data_type,
        exported['$schema']::varchar as schema_version,
        exported['library']::varchar as client_library,
        exported['platform']::varchar as platform,
        exported['os_name']::varchar as os_name,
        exported['os_version']::varchar as os_version,
        exported['version_name']::varchar as app_version,
        exported['start_version']::varchar as first_app_version,
        exported['device_type']::varchar as device_type,
        exported['device_family']::varchar as device_family,
        exported['device_brand']::varchar as device_brand,
        exported['device_manufacturer']::varchar as device_manufacturer,
        exported['device_model']::varchar as device_model,
        exported['device_carrier']::varchar as device_carrier,
        exported['language']::varchar as device_language,
        exported['ip_address']::varchar as ip_address,
        exported['country']::varchar as country,
        exported['region']::varchar as region,
        exported['city']::varchar as city,
        exported['dma']::varchar as designated_market_area,
        coalesce(
            {{ json_string("properties", "[Amplitude] Element Text") }},
            {{ json_string("properties", "[Amplitude] Element ID") }},
            {{ json_string("properties", "[Amplitude] Element Href") }},
            {{ json_string("properties", "[Amplitude] Element Tag") }}
        ) as element,
        {{ json_string("properties", "[Amplitude] Page URL") }} as page_url,
        {{ json_string("properties", "[Amplitude] Page Path") }} as page_path,
        {{ json_string("properties", "[Amplitude] Page Title") }} as page_title,
        {{ json_string("properties", "[Amplitude] Page Domain") }} as page_domain,
        {{ json_string("properties", "referrer") }} as referrer,
        {{ json_string("properties", "referring_domain") }} as referring_domain,
        {{ json_string("properties", "utm_source") }} as utm_source,
        {{ json_string("properties", "utm_medium") }} as utm_medium,
        {{ json_string("properties", "utm_campaign") }} as utm_campaign,
        {{ json_string("properties", "utm_term") }} as utm_term,
        {{ json_string("properties", "utm_content") }} as utm_content,
        case
            {% for click_id in click_ids -%}
            when {{ json_string("properties", click_id) }} is not null
                then '{{ click_id }}'
            {% endfor %}
        end as click_id_parameter,
        {{ json_string("properties", "$productId") }} as product_id,
        {{ json_string("properties", "$revenueType") }} as revenue_type,

        -- numbers
        sample_rate,
        latitude,
        longitude,
        -- what it earns is a number too
        case
            when abs(exported_price * coalesce(quantity, 1)) < 1e15 then exported_price
        end as price,
        quantity,
        revenue,

        -- booleans
        coalesce(exported['is_attribution_event']::varchar = 'true', false)
            as is_attribution_event,
        coalesce(exported['paying']::varchar = 'true', false)
            as is_paying,

        -- dates
        occurred_at::date as occurred_date,
        uploaded_at::date as uploaded_date,

        -- timestamps
        occurred_at,
        client_occurred_at,
        client_uploaded_at,
        received_at,
        uploaded_at,
        processed_at,
        user_created_at,

        -- objects
        {{ strip_json_null("exported['event_properties']") }} as event_properties,
        {{ strip_json_null("exported['user_properties']") }} as user_properties,
        {{ strip_json_null("exported['global_user_properties']") }}
            as global_user_properties,
        {{ strip_json_null("exported['group_properties']") }} as group_properties,
        {{ strip_json_null("exported['groups']") }} as user_groups,
        {{ strip_json_null("exported['plan']") }} as tracking_plan,
        {{ strip_json_null("exported['data']") }} as ingestion_data,
        {{ strip_json_null("exported['amplitude_attribution_ids']") }}
            as attribution_ids,

        -- lineage
        exported is not null as is_parsed,
        exported['session_id']::varchar is not null as has_session_id,
        {{ keys_except("exported_keys", documented_keys()) }} as undocumented_keys,
        {{ keys_except(documented_keys(), "exported_keys") }} as missing_keys,
        -- the file's folder decides the project, whatever the row says
        coalesce(exported['app']::varchar != project_id, false)::int
        {%- for field, column in typed_fields.items() %}
        + (exported['{{ field }}']::varchar is not null and {{ column }} is null)::int
        {%- endfor %}
        {%- for field, column in typed_properties.items() %}
        + (properties['{{ field }}']::varchar is not null and {{ column }} is null)::int
        {%- endfor %}
        {%- for field in ["event_properties", "user_properties"] %}
        + {{ is_other_than_object("exported['" ~ field ~ "']") }}::int
        {%- endfor %} as unparsed_field_count,
        landing_key,
        file_row_number,
        file_content_key,
        file_last_modified as file_modified_at,
        loaded_at,
        {{ batch_number() }} as batch_number
    from typed
)

select * from final
