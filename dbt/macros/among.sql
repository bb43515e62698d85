{#- Very many stand by their first and last, for the length of a query is limited. -#}
{%- macro among(values) -%}
    {%- set quoted = [] -%}
    {%- for value in values | sort %}{% do quoted.append(literal(value)) %}{% endfor -%}
    {{ "between " ~ quoted[0] ~ " and " ~ quoted[-1] if quoted | length > 400 else "in (" ~ quoted | join(", ") ~ ")" }}
{%- endmacro -%}
