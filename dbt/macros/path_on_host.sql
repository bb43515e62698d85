{#- Of clicks, some versions of the SDK send the address only. -#}
{%- macro path_on_host() -%}
    {%- set host = "split_part(" ~ page_address() ~ ", '/', 1)" -%}
    coalesce(
        page_path,
        nullif(substr({{ page_address() }}, length({{ host }}) + 1), ''),
        case when page_url is not null then '/' end
    )
{%- endmacro -%}
