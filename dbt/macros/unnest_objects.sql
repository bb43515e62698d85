{%- macro unnest_objects(array, types) -%}
    {{ return(adapter.dispatch("unnest_objects")(array, types)) }}
{%- endmacro -%}

{%- macro snowflake__unnest_objects(array, types) -%}
    lateral flatten(input => {{ array }}) as item
{%- endmacro -%}

{%- macro duckdb__unnest_objects(array, types) -%}
    unnest(from_json({{ array }}, '[{{ tojson(types) }}]')) as item (value)
{%- endmacro -%}
