{#- Read once for all models of a run: the graph is what they share. -#}
{%- macro builds() -%}
    {%- if not execute or model is not defined or model.resource_type != "model" -%}{{ return(read_builds()) }}{%- endif -%}
    {%- set memo = "builds before " ~ invocation_id -%}
    {%- do graph.update({memo: graph.get(memo) or read_builds()}) -%}
    {{ return(graph[memo]) }}
{%- endmacro -%}
