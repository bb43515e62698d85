{%- macro get_incremental_replace_sql(arguments) -%}
    {%- set key, columns = arguments.unique_key, arguments.dest_columns | map(attribute="quoted") | join(", ") -%}
    {%- set touched = model.config.meta.touched -%}
    {{ "begin;" if target.type == "snowflake" }}
    delete from {{ arguments.target_relation }}
    {%- if is_increment() %} where {{ key }} in (select {{ key }} from {{ arguments.temp_relation }})
        {%- if touched %} or {{ key }} in (select {{ key }} from {{ ref(touched) }}){% endif %}{% endif %};
    insert into {{ arguments.target_relation }} ({{ columns }}) select {{ columns }} from {{ arguments.temp_relation }};
    {{ "commit;" if target.type == "snowflake" }}
{%- endmacro -%}
