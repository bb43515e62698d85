{%- macro of_projects(project_id) -%}
    {%- set projects = [] -%}
    {%- for project in variable("projects") -%}{%- do projects.append(literal(project)) -%}{%- endfor -%}
    ({{ project_id ~ " in (" ~ projects | join(", ") ~ ")" if projects else "true" }})
{%- endmacro -%}
