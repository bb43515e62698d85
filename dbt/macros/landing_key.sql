{%- macro landing_key(filename, folder) -%}
    {%- set depth = {"events": 5, "ledger": 4}[folder] -%}
    {%- set parts = [] -%}
    {%- for part in range(depth) -%}
        {%- do parts.append("split_part(" ~ filename ~ ", '/', " ~ (part - depth) ~ ")") -%}
    {%- endfor -%}
    {{ parts | join(" || '/' || ") }}
{%- endmacro -%}
