{%- macro keys_except(keys, others) -%}
    {{ return(adapter.dispatch("keys_except")(keys, others)) }}
{%- endmacro -%}

{%- macro snowflake__keys_except(keys, others) -%}
    array_to_string(array_sort(array_except({{ keys }}, {{ others }})), ',')
{%- endmacro -%}

{%- macro duckdb__keys_except(keys, others) -%}
    array_to_string(list_sort(list_filter({{ keys }}, lambda key: not list_contains({{ others }}, key))), ',')
{%- endmacro -%}
