{#- At parsing it is taken for one, so that dbt sees all that the model may read. -#}
{%- macro is_increment() -%}
    {{ return(not execute or (is_incremental() and builds().is_whole)) }}
{%- endmacro -%}
