{%- macro page_key() -%}
    {{ dbt_utils.generate_surrogate_key(["md5(" ~ page_host() ~ ")", "md5(" ~ path_on_host() ~ ")"]) }}
{%- endmacro -%}
