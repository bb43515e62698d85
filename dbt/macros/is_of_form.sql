{#- Forms may be made of others: "null or …", "a list, each item …", "…, or a list of such". -#}
{%- macro is_of_form(value, form) -%}
    {%- set item = form.partition("a list, each item ")[2] or form.partition(", or a list of such")[0] -%}
    {%- set items = value if value is sequence and value is not string and value is not mapping -%}
    {%- set wrong = [] -%}
    {%- for one in items or [] -%}{%- do wrong.append(one) if not is_of_simple_form(one, item) -%}{%- endfor -%}
    {%- if form.startswith("null or ") -%}{{ return(value is none or is_of_form(value, form[8:])) }}
    {%- elif form.startswith("a list, ") -%}{{ return(items is defined and items is not none and not wrong) }}
    {%- endif -%}
    {{ return((items and not wrong) if items and form.endswith(" such") else is_of_simple_form(value, item)) }}
{%- endmacro -%}
