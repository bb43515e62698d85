{%- macro without_property(object, exported, key, rule) -%}
    {{ return(adapter.dispatch("without_property")(object, exported, key, rule)) }}
{%- endmacro -%}

{%- macro snowflake__without_property(object, exported, key, rule) -%}
    {%- set text = exported ~ "[" ~ literal(key) ~ "]::varchar" -%}
    {%- set omitted = "object_delete(as_object(" ~ object ~ "), " ~ literal(key) ~ ")" -%}
    {%- set hashed = "object_insert(as_object(" ~ object ~ "), " ~ literal(key) ~ ", " ~ salted_hash(text) ~ ", true)" -%}
    {{ return("case when " ~ text ~ " is not null then " ~ (omitted if rule == "omit" else hashed) ~ " else as_object(" ~ object ~ ") end::variant") }}
{%- endmacro -%}

{#- A pointer (RFC 6901), because a key may look like a path. -#}
{%- macro duckdb__without_property(object, exported, key, rule) -%}
    {%- set text = "(" ~ exported ~ " ->> " ~ literal("/" ~ key | replace("~", "~0") | replace("/", "~1")) ~ ")" -%}
    {%- set value = "null" if rule == "omit" else salted_hash(text) -%}
    {%- set patched = "json_merge_patch(" ~ object ~ ", json_object(" ~ literal(key) ~ ", " ~ value ~ "))" -%}
    {{ return("case when json_type(" ~ exported ~ ") = 'OBJECT' then case when " ~ text ~ " is not null then " ~ patched ~ " else " ~ object ~ " end end") }}
{%- endmacro -%}
