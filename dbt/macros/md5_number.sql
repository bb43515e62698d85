{%- macro md5_number(value) -%} {{ return(adapter.dispatch("md5_number")(value)) }} {%- endmacro -%}

{%- macro snowflake__md5_number(value) -%} md5_number_lower64({{ value }}) {%- endmacro -%}

{#- md5_number_lower takes the bytes in another order, and more time. -#}
{%- macro duckdb__md5_number(value) -%} ('0x' || right(md5({{ value }}), 16))::ubigint {%- endmacro -%}
