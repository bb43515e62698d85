{%- macro counted_traffic() -%}
    (true
    {%- for kind in variable("excluded_traffic") %} and not is_{{ kind }}{% endfor %})
{%- endmacro -%}
