{%- macro masked(text) -%}
    {%- set every = ", 'g'" if target.type == "duckdb" else "" -%}
    {%- set masks = [text] -%}
    {%- for rule in variable("masking_rules") -%}
        {%- do masks.append("regexp_replace(" ~ masks.pop() ~ ", " ~ literal(rule.pattern) ~ ", " ~ literal(rule.mask) ~ every ~ ")") -%}
    {%- endfor -%}
    {{ masks[0] }}
{%- endmacro -%}
