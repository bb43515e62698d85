{%- macro is_funnel_step(step) -%}
    {%- set conditions = [["event_type", step.event_type]] -%}
    {%- do conditions.extend((step.where or {}).items()) -%}
    {%- for key, values in (step.properties or {}).items() -%}{%- do conditions.append([event_property(key), values]) -%}{%- endfor -%}
    {%- for field, values in conditions -%}
        {%- set texts = ([values] if values is string or values is number else values) | map("string") | map("replace", "'", "''") -%}
        {{ field }} in ('{{ texts | join("', '") }}') {{- " and " if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}
