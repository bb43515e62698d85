{#- Values of another form than expected would break the parsing of models,
    before any hook runs. -#}
{%- macro variable(name) -%}
    {%- if not execute -%}{%- do check_variables() -%}{%- endif -%}
    {{ return(var(name)) }}
{%- endmacro -%}

{#- What stands under the name of a package is the package's own. -#}
{%- macro check_variables() -%}
    {%- set given = (var.packages_for_node() | first).vars.to_dict() -%}
    {%- set names = (given.keys() | list) + (given.get(project_name, {}).keys() | list)
        + (invocation_args_dict.get("vars") or {}).keys() | list -%}
    {%- set values = {} -%}
    {%- for name in names if context.get(name) is not mapping -%}
        {%- do values.update({name: var(name)}) -%}
    {%- endfor -%}
    {%- set faults = invalid_values(values, variable_forms().variables) -%}
    {%- do faults.extend(invalid_funnels(values.funnels)) if values.funnels is mapping -%}
    {%- if faults -%}{{ exceptions.raise_compiler_error("Wrong variables in"
        ~ " dbt/dbt_project.yml or --vars:\n- " ~ faults | join("\n- ")) }}{%- endif -%}
{%- endmacro -%}
