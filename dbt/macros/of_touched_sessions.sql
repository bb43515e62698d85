{%- macro of_touched_sessions() -%}
    {%- set days, touched = ref("int_amplitude__session_days"), ref("int_amplitude__touched_users") -%}
    {%- set sessions = "(select amplitude_session_id from " ~ touched ~ " where amplitude_session_id is not null)" -%}
    amplitude_session_id is not null
    and {{ on_days("select distinct occurred_date from " ~ days ~ " where amplitude_session_id in " ~ sessions) }}
    {%- if is_increment() %} and amplitude_session_id in {{ sessions }}{% endif -%}
{%- endmacro -%}
