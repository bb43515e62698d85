{#- Settings that become part of SQL as names. This is not `generate_schema_name`, because dbt
    would prefer that of a package to the one of the project that installs it. -#}
{%- macro check_names() -%}
    {%- set names = {} -%}
    {%- if project_name == "amplitude_warehouse" -%}
        {%- do names.update({"DBT_SCHEMA or SNOWFLAKE_MARTS_SCHEMA": target.schema}) -%}
    {%- endif -%}
    {%- if target.type == "snowflake" -%}
        {%- do names.update({"SNOWFLAKE_DATABASE": target.database,
            "SNOWFLAKE_RAW_DATABASE": env_var("SNOWFLAKE_RAW_DATABASE", "raw"),
            "SNOWFLAKE_RAW_SCHEMA": env_var("SNOWFLAKE_RAW_SCHEMA", "amplitude")}) -%}
    {%- endif -%}
    {%- for setting, name in names.items() if not is_plain_name(name) -%}
        {{ exceptions.raise_compiler_error(setting ~ " is " ~ name
            ~ ": it must be a name of letters, digits, _ and $, not quoted, such as amplitude") }}
    {%- endfor -%}
{%- endmacro -%}

{%- macro is_plain_name(text) -%}
    {{ return(modules.re.fullmatch("[A-Za-z_][A-Za-z0-9_$]*", text) is not none) }}
{%- endmacro -%}
