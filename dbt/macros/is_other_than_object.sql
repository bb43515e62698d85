{%- macro is_other_than_object(value) -%}
    {{ return(adapter.dispatch("is_other_than_object")(value)) }}
{%- endmacro -%}

{%- macro snowflake__is_other_than_object(value) -%}
    coalesce(typeof({{ value }}) not in ('OBJECT', 'NULL_VALUE'), false)
{%- endmacro -%}

{#- A text in JSON begins with its quote. -#}
{%- macro duckdb__is_other_than_object(value) -%}
    coalesce({{ value }}::varchar not like '{{ "{" }}%', false)
{%- endmacro -%}
