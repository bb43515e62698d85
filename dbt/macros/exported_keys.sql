{%- macro exported_keys() -%} {{ return(adapter.dispatch("exported_keys")()) }} {%- endmacro -%}

{%- macro snowflake__exported_keys() -%} object_keys(exported) {%- endmacro -%}

{%- macro duckdb__exported_keys() -%}
    coalesce(
        try(json_keys(raw_json)),
        try(json_keys({{ replace_lone_surrogates("raw_json") }}))
    )
{%- endmacro -%}
