{%- macro json_string(object, key) -%}
    {{ return(adapter.dispatch("json_string")(object ~ "['" ~ key ~ "']")) }}
{%- endmacro -%}

{%- macro snowflake__json_string(value) -%}
    case when to_json({{ value }}) like '"_%"' then {{ value }}::varchar end
{%- endmacro -%}

{%- macro duckdb__json_string(value) -%}
    case when {{ value }}::varchar like '"_%"' then {{ value }} ->> '$' end
{%- endmacro -%}
