{%- macro page_host() -%} coalesce(page_domain, split_part({{ page_address() }}, '/', 1)) {%- endmacro -%}
