{%- macro funnel_step_conditions(step) -%}
    {%- set found = [["event_type", step.event_type]] -%}
    {%- do found.extend((step.where or {}).items()) -%}
    {%- for key, values in (step.properties or {}).items() -%}{%- do found.append([event_property(key), values]) -%}{%- endfor -%}
    {%- set conditions = [] -%}
    {%- for field, values in found -%}
        {%- do conditions.append([field, ([values] if values is string or values is number else values) | map("string") | list]) -%}
    {%- endfor -%}
    {{ return(conditions) }}
{%- endmacro -%}
