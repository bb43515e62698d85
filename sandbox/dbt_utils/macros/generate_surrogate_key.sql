{#- md5 of the fields as text, joined by "-"; a null counts as a text of its own. -#}
{%- macro generate_surrogate_key(field_list) -%}
    {%- set parts = [] -%}
    {%- for field in field_list -%}
        {%- set text = "cast(" ~ field ~ " as " ~ dbt.type_string() ~ ")" -%}
        {%- do parts.append("coalesce(" ~ text ~ ", '_dbt_utils_surrogate_key_null_')") -%}
    {%- endfor -%}
    {{ return(dbt.hash(parts | join(" || '-' || "))) }}
{%- endmacro -%}
