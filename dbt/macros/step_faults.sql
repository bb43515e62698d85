{#- The columns of models are known only after all of them were parsed. -#}
{%- macro step_faults(step, place) -%}
    {%- set faults, form = faults_of(step, variable_forms().step, place), ["a text, number, true or false, or a list of such", "/help/"] -%}
    {%- for part in ["where", "properties"] if step is mapping and step[part] is mapping -%}
        {%- do faults.extend(faults_of(step[part], dict.fromkeys(step[part], form), place ~ part ~ ".")) -%}
    {%- endfor -%}
    {%- set where = step.where if step.where is mapping else {} -%}
    {%- set columns = graph.nodes["model.amplitude_warehouse.stg_amplitude__events"].columns if execute else where -%}
    {%- for column in where if column not in columns -%}
        {%- do faults.append(place ~ "where." ~ column ~ " is not a column of stg_amplitude__events; the nearest one is " ~ nearest_name(column, columns)) -%}
    {%- endfor -%}
    {{ return(faults) }}
{%- endmacro -%}
