{%- macro hash_salt() -%}
    {{ return(build_table("hash_salt")) }}
{%- endmacro -%}

{%- macro recorded_hash_salt() -%}
    {%- set found = load_relation(hash_salt()) -%}
    {{ return((run_query("select max(salt) from " ~ hash_salt()).rows[0][0] if found) or "") }}
{%- endmacro -%}

{#- Bound, because the text of a statement is in dbt's log. -#}
{%- macro keep_hash_salt() -%}
    {%- if execute and flags.WHICH in ["run", "build"] and selected_nodes()
        and "hash" in variable("personal_columns").values() -%}
        {%- set given, kept = env_var("HASH_SALT", ""), recorded_hash_salt() -%}
        {%- do check_hash_salt(given, kept) -%}
        {%- if kept != given -%}
            {%- do run_query("create or replace table " ~ hash_salt() ~ " (salt varchar)") -%}
            {%- do adapter.add_query("insert into " ~ hash_salt() ~ " values (" ~ get_binding_char()
                ~ ")", auto_begin=false, bindings=[given]) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro check_hash_salt(given, kept) -%}
    {%- if given | length < 16 -%}
        {{ exceptions.raise_compiler_error("HASH_SALT must have 16 characters or more, because"
            ~ " personal_columns hashes columns: put the output of `openssl rand -hex 32`"
            ~ " into .env, and keep it secret and the same") }}
    {%- elif kept not in ["", given] and not flags.FULL_REFRESH -%}
        {{ exceptions.raise_compiler_error("HASH_SALT is not the one that this warehouse was"
            ~ " built with, so that equal values would get different hashes: set it back,"
            ~ " or build all models with --full-refresh") }}
    {%- endif -%}
{%- endmacro -%}

{#- A text read from a table is in no compiled SQL, documentation or log. -#}
{%- macro salted_hash(text) -%}
    {%- set salted = "(select salt from " ~ hash_salt() ~ ") || " ~ text -%}
    {{ return("sha256(" ~ salted ~ ")" if target.type == "duckdb" else "sha2(" ~ salted
        ~ ", 256)") }}
{%- endmacro -%}
