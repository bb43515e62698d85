{%- macro utc_time(text) -%} {{ return(adapter.dispatch("utc_time")(text)) }} {%- endmacro -%}

{%- macro snowflake__utc_time(text) -%} {{ return(iso_or_epoch_time(text)) }} {%- endmacro -%}

{#- The form that Amplitude exports is read first: the patterns of the others cost more. -#}
{%- macro duckdb__utc_time(text) -%}
    coalesce(
        case
            when {{ text }} like '____-__-__ __:__:__.______' and {{ text }} >= '0001'
                then try_strptime({{ text }}, '%Y-%m-%d %H:%M:%S.%f')
        end,
        {{ iso_or_epoch_time(text) }}
    )
{%- endmacro -%}
