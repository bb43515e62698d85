{%- macro went_through(results) -%}
    {%- set missing = [] -%}
    {%- set built = results | selectattr("status", "equalto", "success") | map(attribute="node.unique_id") | list -%}
    {%- for node in graph.nodes.values() if node.config.materialized == "incremental" and node.unique_id not in built -%}
        {%- do missing.append(node.unique_id) -%}
    {%- endfor -%}
    {{ return(flags.WHICH in ["run", "build"] and not flags.EMPTY and not missing) }}
{%- endmacro -%}
