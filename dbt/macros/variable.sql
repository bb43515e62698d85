{#- Values of another form than expected would break the parsing of models, before any hook runs. -#}
{%- macro variable(name) -%}
    {%- if not execute -%}{%- do check_variables() -%}{%- endif -%}
    {{ return(var(name)) }}
{%- endmacro -%}
