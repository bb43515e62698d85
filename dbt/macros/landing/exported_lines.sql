{%- macro parse_line(fields) -%}
    {{ return(adapter.dispatch("parse_line")(fields)) }}
{%- endmacro -%}

{%- macro duckdb__parse_line(fields) -%} {{ parse_json("raw_json", fields) }} {%- endmacro -%}

{#- 'd': of equal keys the last counts. Rows of the first version's pipe have raw_json. -#}
{%- macro snowflake__parse_line(fields) -%}
    as_object(coalesce(try_parse_json(
        case when contains(lower(raw_line), $$\ud$$) then {{ replace_lone_surrogates("raw_line") }}
        else raw_line end, 'd'
    ), raw_json))
{%- endmacro -%}

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

{%- macro exported_keys() -%} {{ return(adapter.dispatch("exported_keys")()) }} {%- endmacro -%}

{%- macro snowflake__exported_keys() -%} object_keys(exported) {%- endmacro -%}

{%- macro duckdb__exported_keys() -%}
    coalesce(
        try(json_keys(raw_json)),
        try(json_keys({{ replace_lone_surrogates("raw_json") }}))
    )
{%- endmacro -%}

{%- macro documented_keys() -%}
    {{ return(adapter.dispatch("documented_keys")(exported_fields().keys())) }}
{%- endmacro -%}

{%- macro snowflake__documented_keys(keys) -%}
    array_construct('{{ keys | join("', '") }}')
{%- endmacro -%}

{%- macro duckdb__documented_keys(keys) -%} ['{{ keys | join("', '") }}'] {%- endmacro -%}

{%- macro keys_except(keys, others) -%}
    {{ return(adapter.dispatch("keys_except")(keys, others)) }}
{%- endmacro -%}

{%- macro snowflake__keys_except(keys, others) -%}
    array_to_string(array_sort(array_except({{ keys }}, {{ others }})), ',')
{%- endmacro -%}

{%- macro duckdb__keys_except(keys, others) -%}
    array_to_string(list_sort(list_filter({{ keys }},
        lambda key: not list_contains({{ others }}, key))), ',')
{%- endmacro -%}

{%- macro is_other_than_object(value) -%}
    {{ return(adapter.dispatch("is_other_than_object")(value)) }}
{%- endmacro -%}

{%- macro snowflake__is_other_than_object(value) -%}
    coalesce(typeof({{ value }}) not in ('OBJECT', 'NULL_VALUE'), false)
{%- endmacro -%}

{#- A text in JSON begins with its quote. -#}
{%- macro duckdb__is_other_than_object(value) -%}
    coalesce({{ value }}::varchar not like '{{ "{" }}%', false)
{%- endmacro -%}
