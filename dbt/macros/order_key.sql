{#- The added number gives each key's time the same count of digits. -#}
{%- macro order_key(time, id) -%}
    {%- set known_time = "coalesce(" ~ time ~ ", '9999-12-31'::timestamp)" -%}
    (100000000000000000 + datediff('microsecond', '1900-01-01'::timestamp, {{ known_time }}))::varchar
    || '/' || {{ id }}
{%- endmacro -%}
