{%- macro strip_json_null(value) -%}
    {{ return(adapter.dispatch("strip_json_null")(value)) }}
{%- endmacro -%}

{%- macro snowflake__strip_json_null(value) -%} strip_null_value({{ value }}) {%- endmacro -%}

{%- macro duckdb__strip_json_null(value) -%} {{ value }} {%- endmacro -%}
