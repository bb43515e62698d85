{%- macro landing_key(filename) -%}
    {%- set parts = [] -%}
    {%- for part in [-5, -4, -3, -2, -1] -%}
        {%- do parts.append("split_part(" ~ filename ~ ", '/', " ~ part ~ ")") -%}
    {%- endfor -%}
    {{ parts | join(" || '/' || ") }}
{%- endmacro -%}
