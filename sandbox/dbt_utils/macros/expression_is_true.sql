{#- Returns the rows for which the expression is false; as a column's test, the rest of it. -#}
{%- test expression_is_true(model, expression, column_name=none) -%}
select 1
from {{ model }}
where not ({{ column_name or "" }} {{ expression }})
{%- endtest -%}
