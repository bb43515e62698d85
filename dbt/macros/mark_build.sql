{%- macro mark_build(results) -%}
    {%- if execute and went_through(results) -%}
        insert into {{ builds().table }}
        values ({{ this_build() }}, true, '{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}'::timestamp, '{{ left_out(results) | map(attribute="name") | join(" ") }}')
    {%- endif -%}
{%- endmacro -%}
