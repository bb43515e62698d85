{#- A value of the wrong form would break the parsing of models, before any hook runs. The
    others are checked only then, for one message: models ask for variables many times. -#}
{%- macro variable(name) -%}
    {%- if not execute -%}
        {%- do check_names() -%}
        {%- set forms = {name: variable_forms().variables[name]} -%}
        {%- do check_variables() if invalid_variables({name: var(name)}, forms) -%}
    {%- endif -%}
    {{ return(var(name)) }}
{%- endmacro -%}

{#- Variables under the name of a package are the package's own. A project that installs
    this one as a package has variables of its own beside those under this one's name. -#}
{%- macro check_variables() -%}
    {%- do check_names() -%}
    {%- set given = (var.packages_for_node() | list | last).vars.to_dict() -%}
    {%- set names = (variable_forms().variables.keys() | list)
        + ((given.get("amplitude_warehouse") or {}).keys() | list) -%}
    {%- if project_name == "amplitude_warehouse" -%}
        {%- do names.extend(given) -%}
        {%- do names.extend(invocation_args_dict.get("vars") or {}) -%}
    {%- endif -%}
    {%- set values = {} -%}
    {%- for name in names if context.get(name) is not mapping -%}
        {%- do values.update({name: var(name)}) -%}
    {%- endfor -%}
    {%- set faults = invalid_variables(values, variable_forms().variables) -%}
    {%- set place = "settings.yml, dbt/dbt_project.yml" if project_name == "amplitude_warehouse"
        else "dbt_project.yml under amplitude_warehouse" -%}
    {%- if faults -%}{{ exceptions.raise_compiler_error("Wrong variables in " ~ place
        ~ " or --vars:\n- " ~ faults | join("\n- ")) }}
    {%- endif -%}
{%- endmacro -%}

{%- macro invalid_variables(values, forms) -%}
    {%- set faults = invalid_values(values, forms) -%}
    {%- do faults.extend(invalid_funnels(values.funnels)) if values.funnels is mapping -%}
    {{ return(faults) }}
{%- endmacro -%}
