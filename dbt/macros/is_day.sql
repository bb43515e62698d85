{%- macro is_day(text) -%}
    {%- set day = modules.re.fullmatch("([1-9]\\d{3})-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])", text) -%}
    {%- if day is none -%}{{ return(false) }}{%- endif -%}
    {%- set first = modules.datetime.date(day[1] | int, day[2] | int, 1) -%}
    {{ return((first + modules.datetime.timedelta(days=day[3] | int - 1)).month == first.month) }}
{%- endmacro -%}
