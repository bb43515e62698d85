{%- macro parse_line(fields) -%} {{ return(adapter.dispatch("parse_line")(fields)) }} {%- endmacro -%}

{%- macro duckdb__parse_line(fields) -%} {{ parse_json("raw_json", fields) }} {%- endmacro -%}

{#- 'd': of equal keys the last counts. Rows of the first version's pipe have raw_json. -#}
{%- macro snowflake__parse_line(fields) -%}
    as_object(coalesce(try_parse_json(
        case when contains(lower(raw_line), $$\ud$$) then {{ replace_lone_surrogates("raw_line") }}
        else raw_line end, 'd'
    ), raw_json))
{%- endmacro -%}
