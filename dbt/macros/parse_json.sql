{%- macro parse_json(raw_json, types) -%}
    {{ return(adapter.dispatch("parse_json")(raw_json, types)) }}
{%- endmacro -%}

{%- macro snowflake__parse_json(raw_json, types) -%} {{ raw_json }} {%- endmacro -%}

{%- macro duckdb__parse_json(raw_json, types) -%}
    {%- set structure = "'" ~ tojson(types) ~ "'" -%}
    coalesce(
        try(from_json({{ raw_json }}, {{ structure }})),
        try(from_json({{ replace_lone_surrogates(raw_json) }}, {{ structure }}))
    )
{%- endmacro -%}
