{#- Replaces the rows of affected keys: deletes them, and inserts the new rows. A key that is
    affected and has no new row is thereby gone. -#}
{%- macro get_incremental_replace_sql(arguments) -%}
    {%- set key = arguments.unique_key -%}
    {%- set columns = arguments.dest_columns | map(attribute="quoted") | join(", ") -%}
    {%- set affected = model.config.meta.affected -%}
    {{ "begin;" if target.type == "snowflake" }}
    delete from {{ arguments.target_relation }}
    where {{ key }} in (select {{ key }} from {{ arguments.temp_relation }})
    {%- if affected %}
        or {{ key }} in (
            select {{ key }} from {{ ref(affected) }} where batch_number > {{ watermark() }}
        )
    {%- endif %};
    insert into {{ arguments.target_relation }} ({{ columns }})
    select {{ columns }} from {{ arguments.temp_relation }};
    {{ "commit;" if target.type == "snowflake" }}
{%- endmacro -%}
