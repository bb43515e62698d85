{%- macro is_of_chosen_project(project_id) -%}
    {%- set projects = [] -%}
    {%- for project in variable("projects") -%}
        {%- do projects.append(literal(project)) -%}
    {%- endfor -%}
    ({{ project_id ~ " in (" ~ projects | join(", ") ~ ")" if projects else "true" }})
{%- endmacro -%}

{%- macro only_project_of_merges(merges, files) -%}
    {#- Skipped while the hook renders definitions, which do not include data. -#}
    {%- if execute and model.resource_type != "operation" and load_relation(files) -%}
        {%- set projects = run_query("select distinct project_id from " ~ files ~ " where "
            ~ is_of_chosen_project("project_id") ~ " order by 1").columns[0].values() -%}
        {%- set unnamed = run_query("select 1 from " ~ merges
            ~ " where project_id is null limit 1").rows | length -%}
        {%- if unnamed and projects | length > 1 -%}
            {{ exceptions.raise_compiler_error("The table " ~ source("amplitude", "merges")
                ~ " does not say which of the projects " ~ projects | join(", ")
                ~ " its merges belong to: add a column project_id to it (Amplitude's files call"
                ~ " it scope), or set the variable projects to one of them") }}
        {%- endif -%}
        {{ return(projects | first if projects else "") }}
    {%- endif -%}
{%- endmacro -%}
