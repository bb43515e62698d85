{%- macro is_funnel_step(step) -%}
    {%- for field, values in funnel_step_conditions(step) -%}
        {{ field }} in ({%- for value in values %}{{ literal(value) }}{{ ", " if not loop.last }}{% endfor %}) {{- " and " if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}
