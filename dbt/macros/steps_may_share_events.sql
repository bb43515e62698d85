{%- macro steps_may_share_events(one, other) -%}
    {%- set conflicts = [] -%}
    {%- for field, values in funnel_step_conditions(one) -%}
        {%- for other_field, other_values in funnel_step_conditions(other) if other_field == field -%}
            {%- if values | select("in", other_values) | list == [] -%}{%- do conflicts.append(field) -%}{%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(conflicts == []) }}
{%- endmacro -%}
