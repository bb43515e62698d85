{%- macro is_activity(event_type) -%}
    coalesce({{ event_type }} not in (
    {%- for inactive in variable("inactive_event_types") -%}
        {{ literal(inactive) }},
    {%- endfor -%}
    ''), true)
{%- endmacro -%}

{%- macro is_overlong(started_at, ended_at) -%}
    {%- set limit = (variable("longest_session_hours") * 3600000000) | int -%}
    coalesce(datediff('microsecond', {{ started_at }}, {{ ended_at }}) > {{ limit }}, false)
{%- endmacro -%}

{#- Larger amounts are errors: a price times a quantity can be any number. -#}
{%- macro exported_revenue() -%}
    {%- set amount = "coalesce(revenue, price * coalesce(quantity, 1))" -%}
    case when abs({{ amount }}) <= 1000000000000000 then {{ amount }} end
{%- endmacro -%}

{#- The rules of a kind, inlined: but not in a unit test, and not while a definition is
    rendered, because the seed has a definition of its own. -#}
{%- macro traffic_of(kind, rules) -%}
    {%- set query = "select field, pattern from " ~ rules ~ " where kind = '" ~ kind
        ~ "' order by 1, 2" -%}
    {%- set exist = execute and rules.database and load_relation(rules) -%}
    coalesce(false
    {%- for field, pattern in (run_query(query).rows if exist else []) %}
        or {{ field }} ilike {{ literal(pattern) }}
    {%- endfor %}
    {%- for rule in variable("traffic_rules") if rule.kind == kind %}
        or {{ rule.field }} ilike {{ literal(rule.pattern) }}
    {%- endfor %}, false)
{%- endmacro -%}
