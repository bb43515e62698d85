{#- The rules of a kind, inlined: but not in a unit test, and not while a definition is
    rendered, because the seed has a definition of its own. -#}
{%- macro traffic_of(kind, rules) -%}
    {%- set query = "select field, pattern from " ~ rules ~ " where kind = '" ~ kind ~ "' order by 1, 2" -%}
    {%- set exist = execute and rules.database and load_relation(rules) -%}
    coalesce(false
    {%- for field, pattern in (run_query(query).rows if exist else []) %}
        or {{ field }} ilike {{ literal(pattern) }}
    {%- endfor %}, false)
{%- endmacro -%}
