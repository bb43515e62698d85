{#- The incremental strategy `replace`: delete the rows of affected keys and of new rows,
    insert the new rows, both or neither. A key that is affected and has no new row is
    thereby gone. -#}
{%- macro get_incremental_replace_sql(arguments) -%}
    {%- set key = arguments.unique_key -%}
    {%- set columns = arguments.dest_columns | map(attribute="quoted") | join(", ") -%}
    {%- set affected = model.config.meta.affected -%}
    {%- set delete_affected -%}
        delete from {{ arguments.target_relation }}
        where {{ key }} in (select {{ key }} from {{ arguments.temp_relation }})
        {%- if affected %}
            or {{ key }} in (
                select {{ key }} from {{ ref(affected) }} where batch_number > {{ watermark() }}
            )
        {%- endif -%}
    {%- endset -%}
    {%- set insert_new -%}
        insert into {{ arguments.target_relation }} ({{ columns }})
        select {{ columns }} from {{ arguments.temp_relation }}
    {%- endset -%}
    {{ return(atomically([delete_affected, insert_new])) }}
{%- endmacro -%}

{%- macro atomically(statements) -%}
    {{ return(adapter.dispatch("atomically")(statements)) }}
{%- endmacro -%}

{#- dbt runs each model on DuckDB in a transaction, and rolls it back if a statement fails. -#}
{%- macro duckdb__atomically(statements) -%}
    {{ return(statements | join(";\n")) }}
{%- endmacro -%}

{#- dbt sends no rollback to Snowflake when a statement fails, so that the next DDL of the
    session would commit the DELETE (dbt-core issue 12330). A block of Snowflake Scripting
    rolls back by itself, on the server. -#}
{%- macro snowflake__atomically(statements) -%}
execute immediate $$
begin
    begin transaction;
    {%- for statement in statements %}
    {{ statement }};
    {%- endfor %}
    commit;
exception
    when other then
        rollback;
        raise;
end;
$$
{%- endmacro -%}
