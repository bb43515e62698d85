{%- macro landing_folder() -%}
    {%- set bucket = env_var("AWS_BUCKET", "") or env_var("AWS_BUCKET_NAME", "") -%}
    {%- set landing = env_var("LANDING", "") or ("s3://" ~ bucket if bucket else "data/landing") -%}
    {%- if execute and landing.startswith("s3://") -%}
        {{ exceptions.raise_compiler_error("The duckdb target reads a landing folder, not " ~ landing ~ ": set LANDING to a copy of it, or TARGET=snowflake") }}
    {%- endif -%}
    {%- set folder = landing | replace("'", "''") | replace("[", "[[]") | replace("*", "[*]") -%}
    {%- if execute and not run_query("from glob('" ~ folder ~ "/ledger/**/*.json') limit 1") -%}
        {{ exceptions.raise_compiler_error("Nothing has landed in " ~ landing ~ ": run make ingest, or set LANDING") }}
    {%- endif -%}
    {{ folder }}
{%- endmacro -%}
