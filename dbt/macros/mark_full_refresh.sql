{%- macro mark_full_refresh() -%}
    {%- set last = builds().last -%}
    {%- if execute and flags.FULL_REFRESH and last -%}
        insert into {{ builds().table }}
        values ({{ last + 1 }}, false, '{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}'::timestamp, '')
    {%- endif -%}
{%- endmacro -%}
