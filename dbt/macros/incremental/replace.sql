{#- Replaces the rows of affected keys: deletes them, and inserts the new rows. An
    affected key without a new row disappears. -#}
{%- macro get_incremental_replace_sql(arguments) -%}
    {%- set key = arguments.unique_key -%}
    {%- set columns = arguments.dest_columns | map(attribute="quoted") | join(", ") -%}
    {%- set affected = model.config.meta.affected -%}
    {%- set delete -%}
        {#- One list of keys: Snowflake prunes by it, and does not by two with OR. #}
        delete from {{ arguments.target_relation }}
        where {{ key }} in (
            select {{ key }} from {{ arguments.temp_relation }}
            {%- if affected %}
            union all
            select {{ key }} from {{ ref(affected) }} where batch_number > {{ watermark() }}
            {%- endif %}
        )
    {%- endset -%}
    {%- set insert -%}
        insert into {{ arguments.target_relation }} ({{ columns }})
        select {{ columns }} from {{ arguments.temp_relation }}
    {%- endset -%}
    {{ run_atomically([delete, insert]) }}
{%- endmacro -%}

{#- Statements of which either all or none take effect. -#}
{%- macro run_atomically(statements) -%}
    {{ return(adapter.dispatch("run_atomically")(statements)) }}
{%- endmacro -%}

{#- dbt runs these in a transaction, and rolls it back after an error. -#}
{%- macro default__run_atomically(statements) -%}{{ statements | join(";\n") }}{%- endmacro -%}

{#- On Snowflake dbt sends no rollback after an error (dbt-core issue 12330), and the next
    DDL of the session would commit the deletion alone. So the transaction is one statement
    that ends itself on the server, even if dbt dies. The quotes keep dbt from splitting
    it at the semicolons. -#}
{%- macro snowflake__run_atomically(statements) -%}
    execute immediate $$
    begin
        begin transaction;
        {{ statements | join(";\n") }};
        commit;
    exception
        when other then
            rollback;
            raise;
    end;
    $$
{%- endmacro -%}

{#- On Snowflake dbt puts the insert into a transaction, which stays open if the insert
    fails. Alone it is atomic. Not by the name with the adapter, for which dbt does not look
    in packages. -#}
{%- macro get_incremental_append_sql(arguments) -%}
    {{ return(default__get_incremental_append_sql(arguments)) }}
{%- endmacro -%}
