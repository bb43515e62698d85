{#- On the calendar's first and last day an offset could lead out of it. -#}
{%- macro iso_or_epoch_time(text) -%}
    {%- set day, clock = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "[ T]([01][0-9]|2[0-3])(:[0-5][0-9]){1,2}([.][0-9]{1,9})?" -%}
    {%- set in_utc, milliseconds = ("timezone", "epoch_ms(%s)") if target.type == "duckdb" else ("convert_timezone", "to_timestamp_ntz(%s, 3)") -%}
    {%- set zoned = "regexp_replace(replace(replace(" ~ text ~ ", 'T', ' '), 'Z', '+00:00'), '([+-][0-9]{2})([0-9]{2})$', $$\\1:\\2$$)" -%}
    case
        when {{ text }} < '0001' then null
        when {{ matches(text, day ~ "(" ~ clock ~ ")?") }} then try_cast({{ text }} as timestamp)
        when {{ matches(text, day ~ clock ~ "(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)") }} and {{ text }} between '0001-01-02' and '9999-12-31' then {{ in_utc }}('UTC', try_cast({{ zoned }} as timestamptz))::timestamp
        when {{ number(text) }} between 1000000000000 and 9999999999999 then {{ milliseconds | format("floor(" ~ number(text) ~ ")::bigint") }}
    end
{%- endmacro -%}
