{#- Checked first: the seed's numbers are above 0. -#}
{%- macro added_channel_rules() -%}
    {%- set rules = variable("channel_rules") -%}
    {%- for rule in rules %}
    union all
    select
        {{ loop.index - rules | length }} as rule_number
        {%- for column in ["channel", "category", "medium", "campaign"] %},
        cast({{ literal(rule[column]) if rule[column] else "null" }} as varchar) as {{ column }}
        {%- endfor -%}
    {% endfor -%}
{%- endmacro -%}

{%- macro added_channel_sources() -%}
    {%- set sources = variable("channel_sources") -%}
    {%- for source in sources %}
    {%- if loop.first %}
    where source not in ({% for other in sources -%}
        {{ literal(other.source) }}{{ ", " if not loop.last }}
    {%- endfor %})
    {%- endif %}
    union all
    select
        {{ literal(source.source) }} as source,
        {{ literal(source.category) }} as category,
        {{ source.includes_subdomains | default(false) }} as includes_subdomains
    {% endfor -%}
{%- endmacro -%}
