{%- macro explain_damaged_warehouse(results) -%}
    {%- set messages = results | selectattr("status", "equalto", "error") | map(attribute="message") | join(" ") -%}
    {%- if target.type == "duckdb" and modules.re.search("Corrupt database file|not read enough bytes|not read all|Failed to deserialize|database has been invalidated", messages) -%}
        {%- set path = env_var("WAREHOUSE", "data/warehouse.duckdb") -%}
        {%- do log(path ~ " is damaged. The landing holds all that is in it: move it away (mv " ~ path ~ " " ~ path ~ ".damaged), then build again", info=true) -%}
    {%- endif -%}
{%- endmacro -%}
