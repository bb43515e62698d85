{#- Whole microseconds add up to the same sum in any order, on either target. -#}
{%- macro average_seconds(seconds) -%}
    sum(round({{ seconds }} * 1000000)::bigint)::double / nullif(count({{ seconds }}) * 1000000, 0)::double
{%- endmacro -%}
