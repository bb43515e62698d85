{%- macro event_property(key) -%}
    {{ return(adapter.dispatch("event_property")(key)) }}
{%- endmacro -%}

{%- macro snowflake__event_property(key) -%} event_properties[{{ literal(key) }}]::varchar {%- endmacro -%}

{#- A pointer (RFC 6901): any key may be in it, with any quote. -#}
{%- macro duckdb__event_property(key) -%}
    (event_properties ->> {{ literal("/" ~ key | string | replace("~", "~0") | replace("/", "~1")) }})
{%- endmacro -%}
