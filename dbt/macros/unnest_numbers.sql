{%- macro unnest_numbers(count) -%}
    {{ return(adapter.dispatch("unnest_numbers")(count)) }}
{%- endmacro -%}

{%- macro snowflake__unnest_numbers(count) -%}
    lateral flatten(input => array_generate_range(0, {{ count }})) as item
{%- endmacro -%}

{%- macro duckdb__unnest_numbers(count) -%}
    unnest(range({{ count }})) as item (value)
{%- endmacro -%}
