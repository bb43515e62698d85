{%- macro order_key(time, id) -%}
    {%- set known_time = "coalesce(" ~ time ~ ", '9999-12-31'::timestamp)" -%}
    lpad(datediff('microsecond', '1900-01-01'::timestamp, {{ known_time }})::varchar, 18, '0')
    || '/' || {{ id }}
{%- endmacro -%}
