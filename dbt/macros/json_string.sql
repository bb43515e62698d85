{%- macro json_string(object, key) -%}
    {{ return(adapter.dispatch("json_string")(object, key)) }}
{%- endmacro -%}

{%- macro snowflake__json_string(object, key) -%} as_varchar({{ object }}['{{ key }}']) {%- endmacro -%}

{%- macro duckdb__json_string(object, key) -%}
    {%- set path = "'$.\"" ~ key ~ "\"'" -%}
    case
        when json_type({{ object }}, {{ path }}) = 'VARCHAR'
            then json_extract_string({{ object }}, {{ path }})
    end
{%- endmacro -%}
