{#- Every date before the calendar falls on the day before the calendar's first period. -#}
{%- macro calendar_date(period, date) -%}
    greatest(
        date_trunc('{{ period }}', {{ date }})::date,
        date_trunc('{{ period }}', calendars.calendar_started_date)::date - 1
    )
{%- endmacro -%}
