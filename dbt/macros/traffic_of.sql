{%- macro traffic_of(kind) -%}
    {%- set rules = ref("traffic_rules") -%}
    {%- set exist = execute and rules.database and load_relation(rules) -%}
    {%- set query = "select field, pattern from " ~ rules ~ " where kind = '" ~ kind ~ "' order by 1, 2" -%}
    coalesce(false
    {%- for field, pattern in (run_query(query).rows if exist else []) %}
        or {{ field }} ilike {{ literal(pattern) }}
    {%- endfor %}, false)
{%- endmacro -%}
