{%- macro is_overlong(started_at, ended_at) -%}
    {%- set limit = (variable("longest_session_hours") * 3600000000) | int -%}
    coalesce(datediff('microsecond', {{ started_at }}, {{ ended_at }}) > {{ limit }}, false)
{%- endmacro -%}
