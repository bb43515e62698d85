{%- macro personal_column(name, type="varchar") -%}
    {%- set rule = variable("personal_columns").get(name) -%}
    {{ {"omit": "null::" ~ type ~ " as ", "hash": salted_hash(name) ~ " as "}.get(rule,
        "") }}{{ name }}
{%- endmacro -%}

{%- macro personal_object(name) -%}
    {%- set rules = variable("personal_columns") -%}
    {%- set objects = [name] -%}
    {%- for column, rule in rules.items() if column.startswith(name ~ ".") -%}
        {%- set key = column[name | length + 1:] -%}
        {%- do objects.append(without_property(objects.pop(), name, key, rule)) -%}
    {%- endfor -%}
    {{ objects[0] }}{{ " as " ~ name if objects[0] != name }}
{%- endmacro -%}

{%- macro without_property(object, exported, key, rule) -%}
    {{ return(adapter.dispatch("without_property")(object, exported, key, rule)) }}
{%- endmacro -%}

{%- macro snowflake__without_property(object, exported, key, rule) -%}
    {%- set text = exported ~ "[" ~ literal(key) ~ "]::varchar" -%}
    {%- set omitted = "object_delete(as_object(" ~ object ~ "), " ~ literal(key) ~ ")" -%}
    {%- set hashed = "object_insert(as_object(" ~ object ~ "), " ~ literal(key) ~ ", "
        ~ salted_hash(text) ~ ", true)" -%}
    {{ return("case when " ~ text ~ " is not null then " ~ (omitted if rule == "omit" else hashed)
        ~ " else as_object(" ~ object ~ ") end::variant") }}
{%- endmacro -%}

{#- A pointer (RFC 6901), because a key may look like a path. -#}
{%- macro duckdb__without_property(object, exported, key, rule) -%}
    {%- set text = "(" ~ exported ~ " ->> "
        ~ literal("/" ~ key | replace("~", "~0") | replace("/", "~1")) ~ ")" -%}
    {%- set value = "null" if rule == "omit" else salted_hash(text) -%}
    {%- set patched = "json_merge_patch(" ~ object ~ ", json_object(" ~ literal(key) ~ ", " ~ value
        ~ "))" -%}
    {{ return("case when json_type(" ~ exported ~ ") = 'OBJECT' then case when " ~ text
        ~ " is not null then " ~ patched ~ " else " ~ object ~ " end end") }}
{%- endmacro -%}

{%- macro masked(text) -%}
    {%- set every = ", 'g'" if target.type == "duckdb" else "" -%}
    {%- set masks = [text] -%}
    {%- for rule in variable("masking_rules") -%}
        {%- do masks.append("regexp_replace(" ~ masks.pop() ~ ", " ~ literal(rule.pattern) ~ ", "
            ~ literal(rule.mask) ~ every ~ ")") -%}
    {%- endfor -%}
    {{ masks[0] }}
{%- endmacro -%}

{#- A rebuilt table or view has lost its policies. -#}
{%- macro mask_for_readers(relation_type, columns) -%}
    {%- set hooks = [] -%}
    {%- if target.type == "snowflake" and env_var("SNOWFLAKE_UNMASKED_ROLE", "") -%}
        {%- set schema = env_var("SNOWFLAKE_RAW_DATABASE", "raw") ~ "."
            ~ env_var("SNOWFLAKE_RAW_SCHEMA", "amplitude") -%}
        {%- for column, kind in columns.items() -%}
            {%- do hooks.append("alter " ~ relation_type ~ " {{ this }} modify column " ~ column
                ~ " set masking policy " ~ schema ~ ".personal_" ~ kind ~ " force") -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(hooks) }}
{%- endmacro -%}
