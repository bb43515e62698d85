{#- Bound, because the text of a statement is in dbt's log. -#}
{%- macro keep_hash_salt() -%}
    {%- if execute and flags.WHICH in ["run", "build"] and "hash" in variable("personal_columns").values() -%}
        {%- set given, kept = env_var("HASH_SALT", ""), known_hash_salt() -%}
        {%- do check_hash_salt(given, kept) -%}
        {%- if kept != given -%}
            {%- do run_query("create or replace table " ~ hash_salt() ~ " (salt varchar)") -%}
            {%- do adapter.add_query("insert into " ~ hash_salt() ~ " values (" ~ get_binding_char() ~ ")", auto_begin=false, bindings=[given]) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}
