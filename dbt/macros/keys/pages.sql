{%- macro page_key() -%}
    {{ dbt_utils.generate_surrogate_key(["md5(" ~ page_host() ~ ")", "md5(" ~ page_path_on_host()
        ~ ")"]) }}
{%- endmacro -%}

{%- macro page_host() -%}
    coalesce(page_domain, split_part({{ page_url_without_scheme() }}, '/', 1))
{%- endmacro -%}

{#- Without the scheme and without the user and password that may precede the host. -#}
{%- macro page_url_without_scheme() -%}
    regexp_replace(split_part(split_part(page_url, '?', 1), '#', 1), '^([^/]*//)?([^/]*@)?', '')
{%- endmacro -%}

{#- Of clicks, some versions of the SDK send the address only. -#}
{%- macro page_path_on_host() -%}
    {%- set host = "split_part(" ~ page_url_without_scheme() ~ ", '/', 1)" -%}
    coalesce(
        page_path,
        nullif(substr({{ page_url_without_scheme() }}, length({{ host }}) + 1), ''),
        case when page_url is not null then '/' end
    )
{%- endmacro -%}
