{%- macro personal_column(name, type="varchar") -%}
    {%- set rule = variable("personal_columns").get(name) -%}
    {{ {"omit": "null::" ~ type ~ " as ", "hash": salted_hash(name) ~ " as "}.get(rule, "") }}{{ name }}
{%- endmacro -%}
