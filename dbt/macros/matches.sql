{%- macro matches(text, pattern) -%}
    {{ "regexp_full_match" if target.type == "duckdb" else "regexp_like" }}({{ text }}, '{{ pattern }}')
{%- endmacro -%}
