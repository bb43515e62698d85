{%- macro exported_fields() -%}
    {%- set scalars = [
        "app", "uuid", "$insert_id", "$insert_key", "event_id", "amplitude_id",
        "user_id", "device_id", "session_id", "source_id", "partner_id", "adid",
        "idfa", "event_type", "amplitude_event_type", "data_type", "$schema",
        "library", "platform", "os_name", "os_version", "version_name",
        "start_version", "device_type", "device_family", "device_brand",
        "device_manufacturer", "device_model", "device_carrier", "language",
        "ip_address", "country", "region", "city", "dma", "sample_rate",
        "location_lat", "location_lng", "is_attribution_event", "paying",
        "event_time", "client_event_time", "client_upload_time",
        "server_received_time", "server_upload_time", "processed_time",
        "user_creation_time",
    ] -%}
    {%- set objects = [
        "event_properties", "user_properties", "global_user_properties",
        "group_properties", "groups", "plan", "data",
        "amplitude_attribution_ids",
    ] -%}
    {%- set types = {} -%}
    {%- for field in scalars -%}{%- do types.update({field: "VARCHAR"}) -%}{%- endfor -%}
    {%- for field in objects -%}{%- do types.update({field: "JSON"}) -%}{%- endfor -%}
    {{ return(types) }}
{%- endmacro -%}
