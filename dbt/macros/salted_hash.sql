{#- A text read from a table is in no compiled SQL, documentation or log. -#}
{%- macro salted_hash(text) -%}
    {%- set salted = "(select salt from " ~ hash_salt() ~ ") || " ~ text -%}
    {{ return("sha256(" ~ salted ~ ")" if target.type == "duckdb" else "sha2(" ~ salted ~ ", 256)") }}
{%- endmacro -%}
