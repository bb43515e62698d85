{#- Nobody earns more with one event; a price times a quantity may be any number. -#}
{%- macro exported_revenue() -%}
    {%- set amount = "coalesce(revenue, price * coalesce(quantity, 1))" -%}
    case when abs({{ amount }}) <= 1000000000000000 then {{ amount }} end
{%- endmacro -%}
