{#- DuckDB and Snowflake read backslashes differently. -#}
{%- macro is_masking_rule(value) -%}
    {%- set rule = value if value is mapping else {} -%}
    {%- set texts = [rule.pattern, rule.mask] | select("string") | select | list -%}
    {{ return(rule | length == 2 and texts | length == 2 and not modules.re.search("\\\\", rule.pattern) and not modules.re.search("\\\\(?![0-9])", rule.mask)) }}
{%- endmacro -%}
