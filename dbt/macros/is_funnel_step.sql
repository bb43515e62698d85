{%- macro is_funnel_step(step) -%}
    {%- for field, values in funnel_step_conditions(step) -%}
        {{ field }} in ('{{ values | map("replace", "'", "''") | join("', '") }}') {{- " and " if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}
