{%- macro of_touched_sessions() -%}
    {%- set activity, touched = ref("int_amplitude__hourly_activity"), ref("int_amplitude__touched_users") -%}
    {%- set sessions = "(select amplitude_session_id from " ~ touched ~ " where amplitude_session_id is not null)" -%}
    amplitude_session_id is not null
    and {{ on_days("select distinct occurred_date from " ~ activity ~ " where amplitude_session_id in " ~ sessions) }}
    {%- if is_increment() %} and exported_session_id in {{ sessions }}{% endif -%}
{%- endmacro -%}
