{%- macro went_through(results) -%}
    {%- set missing = [] -%}
    {%- set built = results | selectattr("status", "equalto", "success") | map(attribute="node.unique_id") | list -%}
    {%- for node in graph.nodes.values() if node.resource_type == "model" and node.package_name == project_name -%}
        {%- do missing.append(node.name) if node.config.materialized != "view" and node.unique_id not in built -%}
    {%- endfor -%}
    {{ return(flags.WHICH in ["run", "build"] and not flags.EMPTY and not missing) }}
{%- endmacro -%}
