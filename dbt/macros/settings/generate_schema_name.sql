{#- dbt calls it while it parses: before any of the names gets into SQL. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {%- set names = {"DBT_SCHEMA or SNOWFLAKE_MARTS_SCHEMA": target.schema} -%}
    {%- if target.type == "snowflake" -%}
        {%- do names.update({"SNOWFLAKE_DATABASE": target.database,
            "SNOWFLAKE_RAW_DATABASE": env_var("SNOWFLAKE_RAW_DATABASE", "raw"),
            "SNOWFLAKE_RAW_SCHEMA": env_var("SNOWFLAKE_RAW_SCHEMA", "amplitude")}) -%}
    {%- endif -%}
    {%- for setting, name in names.items()
        if not modules.re.fullmatch("[A-Za-z_][A-Za-z0-9_$]*", name) -%}
        {{ exceptions.raise_compiler_error(setting ~ " is " ~ name
            ~ ": it must be a name of letters, digits, _ and $, not quoted, such as amplitude") }}
    {%- endfor -%}
    {{ return(default__generate_schema_name(custom_schema_name, node)) }}
{%- endmacro -%}
