{%- macro page_address() -%}
    regexp_replace(split_part(split_part(page_url, '?', 1), '#', 1), '^[^/]*//', '')
{%- endmacro -%}
