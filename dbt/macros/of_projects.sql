{%- macro of_projects(project_id) -%}
    {%- set projects = variable("projects") | map("string") | map("replace", "'", "''") | list -%}
    ({{ project_id ~ " in ('" ~ projects | join("', '") ~ "')" if projects else "true" }})
{%- endmacro -%}
