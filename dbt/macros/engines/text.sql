{#- In Snowflake a backslash escapes the quote that follows it. -#}
{%- macro literal(value) -%}
    {%- set text = value | string | replace("'", "''") -%}
    {{- return("'" ~ (text if target.type == "duckdb" else text | replace("\\", "\\\\")) ~ "'") -}}
{%- endmacro -%}

{%- macro matches(text, pattern) -%}
    {{ "regexp_full_match" if target.type == "duckdb"
        else "regexp_like" }}({{ text }}, '{{ pattern }}')
{%- endmacro -%}

{%- macro matches_whole(text, pattern) -%}
    {{ return(adapter.dispatch("matches_whole")(text, pattern)) }}
{%- endmacro -%}

{%- macro snowflake__matches_whole(text, pattern) -%}
    regexp_like({{ text }}, '^(' || {{ pattern }} || ')$')
{%- endmacro -%}

{%- macro duckdb__matches_whole(text, pattern) -%}
    regexp_full_match({{ text }}, {{ pattern }})
{%- endmacro -%}
