{%- macro project_user_id(table="") -%}
    {{ dbt_utils.generate_surrogate_key(
        [table ~ "project_id", "md5(" ~ table ~ "user_id)"]
    ) }}
{%- endmacro -%}
