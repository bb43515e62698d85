{%- macro on_days(query, column="occurred_date") -%}
    {%- set found = run_query(query).columns[0].values() if execute else [] -%}
    {%- set days = found | reject("none") | sort -%}
    {%- if days | length > 400 -%}
        ({{ column }} between '{{ days[0] }}'::date and '{{ days[-1] }}'::date
    {%- else -%}
        ({{ column }} in (null{% for day in days %}, '{{ day }}'::date{% endfor %})
    {%- endif %}{{ " or " ~ column ~ " is null" if none in found }})
{%- endmacro -%}
