{%- macro step_implies(one, other) -%}
    {%- set unmet = [] -%}
    {%- for field, values in funnel_step_conditions(other) -%}
        {%- set narrower = [] -%}
        {%- for own_field, own_values in funnel_step_conditions(one) if own_field == field and own_values | reject("in", values) | list == [] -%}{%- do narrower.append(field) -%}{%- endfor -%}
        {%- if narrower == [] -%}{%- do unmet.append(field) -%}{%- endif -%}
    {%- endfor -%}
    {{ return(unmet == []) }}
{%- endmacro -%}
