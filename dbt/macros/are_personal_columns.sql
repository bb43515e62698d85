{#- Only columns that no key and no session is made of. -#}
{%- macro are_personal_columns(value) -%}
    {%- set texts = ["advertising_id", "apple_advertising_id", "city", "designated_market_area", "device_carrier", "ip_address", "partner_id", "region"] -%}
    {%- set objects = ["event_properties", "global_user_properties", "group_properties", "user_properties"] -%}
    {%- set wrong = [] -%}
    {%- for name, rule in (value.items() if value is mapping else [("", "")]) -%}
        {%- set object, _, key = (name | string).partition(".") -%}
        {%- set is_number = name in ["latitude", "longitude"] -%}
        {%- set is_known = is_number or name in texts or (object in objects and key != "") -%}
        {%- do wrong.append(name) if not is_known or rule not in (["omit"] if is_number else ["omit", "hash"]) -%}
    {%- endfor -%}
    {{ return(not wrong) }}
{%- endmacro -%}
