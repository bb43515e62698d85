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

{#- On the calendar's first and last day an offset could lead out of it. -#}
{%- macro iso_or_epoch_time(text) -%}
    {%- set day, clock = "[0-9]{4}-[0-9]{2}-[0-9]{2}",
        "[ T]([01][0-9]|2[0-3])(:[0-5][0-9]){1,2}([.][0-9]{1,9})?" -%}
    {%- set in_utc, milliseconds = ("timezone", "epoch_ms(%s)") if target.type == "duckdb"
        else ("convert_timezone", "to_timestamp_ntz(%s, 3)") -%}
    {%- set zoned = "regexp_replace(replace(replace(" ~ text
        ~ ", 'T', ' '), 'Z', '+00:00'), '([+-][0-9]{2})([0-9]{2})$', $$\\1:\\2$$)" -%}
    case
        when {{ text }} < '0001' then null
        when {{ matches(text, day ~ "(" ~ clock ~ ")?") }} then try_cast({{ text }} as timestamp)
        when {{ matches(text, day ~ clock ~ "(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)") }}
            and {{ text }} between '0001-01-02' and '9999-12-31'
            then {{ in_utc }}('UTC', try_cast({{ zoned }} as timestamptz))::timestamp
        when {{ number(text) }} between 1000000000000 and 9999999999999 then {{ milliseconds
            | format("floor(" ~ number(text) ~ ")::bigint") }}
    end
{%- endmacro -%}

{#- For keys in views and in tests: those who read them may have set output formats. -#}
{%- macro date_text(date) -%} {{ return(adapter.dispatch("date_text")(date)) }} {%- endmacro -%}

{%- macro snowflake__date_text(date) -%} to_char({{ date }}, 'YYYY-MM-DD') {%- endmacro -%}

{%- macro duckdb__date_text(date) -%} {{ date }}::varchar {%- endmacro -%}

{%- macro time_text(time) -%} {{ return(adapter.dispatch("time_text")(time)) }} {%- endmacro -%}

{%- macro snowflake__time_text(time) -%}
    to_char({{ time }}, 'YYYY-MM-DD HH24:MI:SS.FF9')
{%- endmacro -%}

{%- macro duckdb__time_text(time) -%} {{ time }}::varchar {%- endmacro -%}

{#- On Snowflake `timestamp` is what the session's TIMESTAMP_TYPE_MAPPING says. -#}
{%- macro timestamp_type() -%}
    {{ return("timestamp" if target.type == "duckdb" else "timestamp_ntz") }}
{%- endmacro -%}

{%- macro add_days(date, days) -%}
    {{ return(adapter.dispatch("add_days")(date, days)) }}
{%- endmacro -%}

{%- macro snowflake__add_days(date, days) -%}
    dateadd('day', {{ days }}, {{ date }})::date
{%- endmacro -%}

{%- macro duckdb__add_days(date, days) -%} ({{ date }} + ({{ days }})::int) {%- endmacro -%}
