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

{%- macro json_string(object, key) -%}
    {{ return(adapter.dispatch("json_string")(object ~ "['" ~ key ~ "']")) }}
{%- endmacro -%}

{%- macro snowflake__json_string(value) -%}
    case when to_json({{ value }}) like '"_%"' then {{ value }}::varchar end
{%- endmacro -%}

{%- macro duckdb__json_string(value) -%}
    case when {{ value }}::varchar like '"_%"' then {{ value }} ->> '$' end
{%- endmacro -%}

{%- macro strip_json_null(value) -%}
    {{ return(adapter.dispatch("strip_json_null")(value)) }}
{%- endmacro -%}

{%- macro snowflake__strip_json_null(value) -%} strip_null_value({{ value }}) {%- endmacro -%}

{%- macro duckdb__strip_json_null(value) -%} {{ value }} {%- endmacro -%}

{#- Escaped backslashes and whole pairs are set aside as chr(1) and chr(2), which no JSON
    text holds, so that what is left of the pattern is a half. -#}
{%- macro replace_lone_surrogates(raw_json) -%}
    {%- set hex, every = "[0-9a-fA-F]{2}", ", 'g'" if target.type == "duckdb" else "" -%}
    {%- set pair = "\\\\u([dD][89abAB]" ~ hex ~ ")\\\\u([dD][c-fC-F]" ~ hex ~ ")" -%}
    replace(replace(regexp_replace(regexp_replace(
        replace({{ raw_json }}, $$\\$$, chr(1)),
        $${{ pair }}$$, chr(2) || $$\1$$ || chr(2) || $$\2$${{ every }}
    ), $$\\u[dD][89a-fA-F]{{ hex }}$$, chr(2) || 'fffd'{{ every }}), chr(2), $$\u$$), chr(1),
        $$\\$$)
{%- endmacro -%}

{%- macro unnest_objects(array, types) -%}
    {{ return(adapter.dispatch("unnest_objects")(array, types)) }}
{%- endmacro -%}

{%- macro snowflake__unnest_objects(array, types) -%}
    lateral flatten(input => {{ array }}) as item
{%- endmacro -%}

{%- macro duckdb__unnest_objects(array, types) -%}
    unnest(from_json({{ array }}, '[{{ tojson(types) }}]')) as item (value)
{%- endmacro -%}

{%- macro event_property(key) -%}
    {{ return(adapter.dispatch("event_property")(key)) }}
{%- endmacro -%}

{%- macro snowflake__event_property(key) -%}
    event_properties[{{ literal(key) }}]::varchar
{%- endmacro -%}

{#- A pointer (RFC 6901): any key may be in it, with any quote. -#}
{%- macro duckdb__event_property(key) -%}
    (event_properties ->> {{ literal("/" ~ key | string | replace("~", "~0")
        | replace("/", "~1")) }})
{%- endmacro -%}

{%- macro to_object(columns) -%}
    {{ return(adapter.dispatch("to_object")(columns)) }}
{%- endmacro -%}

{%- macro duckdb__to_object(columns) -%}
    { {%- for column in columns %}'{{ column }}': {{ column }}{{ ", "
        if not loop.last }}{% endfor -%} }
{%- endmacro -%}

{%- macro snowflake__to_object(columns) -%}
    object_construct({% for column in columns %}'{{ column }}', {{ column }}{{ ", "
        if not loop.last }}{% endfor %})
{%- endmacro -%}

{%- macro columns_of(object, columns, prefix="") -%}
    {%- for column in columns -%}
        {{ object }}['{{ column }}']::varchar as {{ prefix }}{{ column }}{{ ",\n        "
            if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}
