{%- macro hash_salt() -%} {{ return(api.Relation.create(target.database, target.schema ~ "_staging", "hash_salt")) }} {%- endmacro -%}
