{%- macro reporting_date(timestamp) -%}
    {%- set timezone = var("reporting_timezone") -%}
    {%- if timezone == "UTC" -%}
        {{ timestamp }}::date
    {%- elif target.type == "snowflake" -%}
        convert_timezone('UTC', '{{ timezone }}', {{ timestamp }})::date
    {%- else -%}
        timezone('{{ timezone }}', timezone('UTC', {{ timestamp }}))::date
    {%- endif -%}
{%- endmacro -%}
