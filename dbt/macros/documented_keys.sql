{%- macro documented_keys() -%} {{ return(adapter.dispatch("documented_keys")(exported_fields().keys())) }} {%- endmacro -%}

{%- macro snowflake__documented_keys(keys) -%} array_construct('{{ keys | join("', '") }}') {%- endmacro -%}

{%- macro duckdb__documented_keys(keys) -%} ['{{ keys | join("', '") }}'] {%- endmacro -%}
