{%- macro event_property(key) -%}
    {{ return(adapter.dispatch("event_property")(key | replace("'", "''"))) }}
{%- endmacro -%}

{%- macro snowflake__event_property(key) -%} event_properties['{{ key }}']::varchar {%- endmacro -%}

{%- macro duckdb__event_property(key) -%} (event_properties ->> '$."{{ key }}"') {%- endmacro -%}
