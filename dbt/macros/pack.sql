{%- macro pack(columns) -%} {{ return(adapter.dispatch("pack")(columns)) }} {%- endmacro -%}

{%- macro duckdb__pack(columns) -%}
    { {%- for column in columns %}'{{ column }}': {{ column }}{{ ", " if not loop.last }}{% endfor -%} }
{%- endmacro -%}

{%- macro snowflake__pack(columns) -%}
    object_construct({% for column in columns %}'{{ column }}', {{ column }}{{ ", " if not loop.last }}{% endfor %})
{%- endmacro -%}
