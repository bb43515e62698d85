{#- In DuckDB a list of files has settled it. -#}
{%- macro is_landed_file(folder) -%}
    {{ "true" if target.type == "duckdb" else matches(landing_key("filename", folder), landed_key_pattern(folder)) }}
{%- endmacro -%}
