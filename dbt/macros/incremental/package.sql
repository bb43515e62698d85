{#- Whether a node of dbt's graph belongs to this project, which may be a package of another
    one: hooks see the models of all projects. -#}
{%- macro is_own(node) -%}{{ return(node.package_name == "amplitude_warehouse") }}{%- endmacro -%}

{#- A table of the builds themselves. It is beside the base model, so that it goes where a
    project that installs this one as a package puts the models. Unit tests have no graph. -#}
{%- macro build_table(name) -%}
    {%- set models = graph.get("nodes", {}) -%}
    {%- set base = models.get("model.amplitude_warehouse.base_amplitude__events", {}) -%}
    {{ return(api.Relation.create(
        base.database or target.database, base.schema or target.schema ~ "_staging", name
    )) }}
{%- endmacro -%}
