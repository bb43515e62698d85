{#- Next to the calendar's first and last day another timezone could lead out of it. -#}
{%- macro reporting_date(timestamp) -%}
    {%- set timezone = var("reporting_timezone") -%}
    {%- if timezone == "UTC" -%}
        {{ timestamp }}::date
    {%- else -%}
        case when {{ timestamp }} between '0001-01-02'::{{ timestamp_type() }}
            and '9999-12-30'::{{ timestamp_type() }} then
        {%- if target.type == "snowflake" %} convert_timezone('UTC', {{ literal(timezone) }},
            {{ timestamp }})
        {%- else %} timezone({{ literal(timezone) }}, timezone('UTC', {{ timestamp }})){% endif %}
        else {{ timestamp }} end::date
    {%- endif -%}
{%- endmacro -%}

{#- Every date before the calendar falls on the day before the calendar's first period. -#}
{%- macro calendar_date(period, date) -%}
    greatest(
        date_trunc('{{ period }}', {{ date }})::date,
        date_trunc('{{ period }}', calendars.calendar_started_date)::date - 1
    )
{%- endmacro -%}
