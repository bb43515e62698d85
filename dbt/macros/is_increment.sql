{#- At parsing it is taken for one, so that dbt sees all that the model may read. -#}
{%- macro is_increment() -%}
    {%- set builds = builds() if execute -%}
    {{ return(not execute or (is_incremental() and builds.is_whole and model.name not in builds.left_out)) }}
{%- endmacro -%}
