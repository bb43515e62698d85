{%- macro json_string(object, key) -%}
    {{ return(adapter.dispatch("json_string")(object, key)) }}
{%- endmacro -%}

{%- macro snowflake__json_string(object, key) -%}
    {%- set value = object ~ "['" ~ key ~ "']" -%}
    case when to_json({{ value }}) like '"%' then {{ value }}::varchar end
{%- endmacro -%}

{%- macro duckdb__json_string(object, key) -%}
    {%- set path = "'$.\"" ~ key ~ "\"'" -%}
    case
        when json_type({{ object }}, {{ path }}) = 'VARCHAR'
            then json_extract_string({{ object }}, {{ path }})
    end
{%- endmacro -%}
