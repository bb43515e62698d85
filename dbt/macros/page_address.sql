{#- Without the scheme and without the user and password that may precede the host. -#}
{%- macro page_address() -%}
    regexp_replace(split_part(split_part(page_url, '?', 1), '#', 1), '^([^/]*//)?([^/]*@)?', '')
{%- endmacro -%}
