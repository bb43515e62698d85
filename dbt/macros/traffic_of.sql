{#- The rules of a kind, inlined. They are rows of a seed, which has a definition of its own. -#}
{%- macro traffic_of(kind, rules) -%}
    {%- set query = "select field, pattern from " ~ rules ~ " where kind = '" ~ kind ~ "' order by 1, 2" -%}
    {%- set exist = execute and model.resource_type != "operation" and load_relation(rules) -%}
    coalesce(false
    {%- for field, pattern in (run_query(query).rows if exist else []) %}
        or {{ field }} ilike {{ literal(pattern) }}
    {%- endfor %}, false)
{%- endmacro -%}
