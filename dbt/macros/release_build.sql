{%- macro release_build() -%}
    {%- if execute and target.type != "duckdb" and flags.WHICH in ["run", "build"] -%}
        delete from {{ running_builds() }} where invocation_id = '{{ invocation_id }}'
    {%- endif -%}
{%- endmacro -%}
