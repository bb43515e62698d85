{#- In Snowflake a backslash escapes the quote that follows it. -#}
{%- macro literal(value) -%}
    {%- set text = value | string | replace("'", "''") -%}
    {{- return("'" ~ (text if target.type == "duckdb" else text | replace("\\", "\\\\")) ~ "'") -}}
{%- endmacro -%}
