{%- macro is_activity(event_type) -%}
    coalesce({{ event_type }} not in (
    {%- for inactive in variable("inactive_event_types") -%}
        {{ literal(inactive) }},
    {%- endfor -%}
    ''), true)
{%- endmacro -%}
