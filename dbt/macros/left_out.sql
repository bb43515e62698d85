{#- The tables of this project that a run has not built. -#}
{%- macro left_out(results) -%}
    {%- set built, missing = results | selectattr("status", "equalto", "success") | map(attribute="node.unique_id") | list, [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == "model" and node.package_name == project_name -%}
        {%- do missing.append(node) if node.config.materialized != "view" and node.unique_id not in built -%}
    {%- endfor -%}
    {{ return(missing) }}
{%- endmacro -%}
