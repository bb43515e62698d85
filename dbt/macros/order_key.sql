{%- macro order_key(time, id) -%}
    {%- set known_time = "coalesce(" ~ time ~ ", '9999-12-31 23:59:59.999999'::timestamp)" -%}
    datediff('microsecond', '1900-01-01'::timestamp, {{ known_time }})::bigint * 100000000000000000000
    + {{ md5_number(id) }}
{%- endmacro -%}
