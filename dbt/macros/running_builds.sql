{%- macro running_builds() -%}
    {{ return(api.Relation.create(target.database, target.schema ~ "_staging", "running_builds")) }}
{%- endmacro -%}
