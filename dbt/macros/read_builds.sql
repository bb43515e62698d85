{#- The number of the newest build that went through, or that a full refresh began with. -#}
{%- macro read_builds() -%}
    {%- set schema = target.schema ~ "_staging" -%}
    {%- set marks = adapter.get_relation(target.database, schema, "builds") if execute -%}
    {%- set newest = "select coalesce(max(build_number), 0), max_by(is_whole, build_number), max_by(left_out, build_number)" -%}
    {%- set found = run_query(newest ~ " from " ~ marks).rows[0] if marks else [0, false, ""] -%}
    {%- set table = api.Relation.create(target.database, schema, "builds") -%}
    {{ return({"table": table, "last": found[0] | int, "is_whole": found[1], "left_out": (found[2] or "").split()}) }}
{%- endmacro -%}
