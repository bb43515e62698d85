{%- macro median_seconds(seconds) -%}
    median(round({{ seconds }} * 1000000)::bigint)::double / 1000000::double
{%- endmacro -%}
