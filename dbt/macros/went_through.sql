{%- macro went_through(results) -%}
    {%- set missing = [] -%}
    {%- for node in left_out(results) -%}{% do missing.append(node.name) if "analyses" not in node.tags %}{% endfor -%}
    {{ return(flags.WHICH in ["run", "build"] and not flags.EMPTY and not missing) }}
{%- endmacro -%}
