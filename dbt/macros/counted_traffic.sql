{%- macro counted_traffic() -%}
    (true
    {%- for kind in var("excluded_traffic") %} and not is_{{ kind }}{% endfor %})
{%- endmacro -%}
