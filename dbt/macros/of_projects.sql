{%- macro of_projects(project_id) -%}
    {%- set projects = var("projects") -%}
    ({{ project_id ~ " in ('" ~ projects | join("', '") ~ "')" if projects else "true" }})
{%- endmacro -%}
