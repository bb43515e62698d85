{%- macro page_address() -%}
    split_part(split_part(substr(page_url, position('//' in page_url) + 2), '?', 1), '#', 1)
{%- endmacro -%}
