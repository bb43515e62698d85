{%- macro landing_folder() -%}
    {%- set bucket = env_var("AWS_BUCKET", "") or env_var("AWS_BUCKET_NAME", "") -%}
    {%- set landing = env_var("LANDING", "") or ("s3://" ~ bucket if bucket else "data/landing") -%}
    {%- if execute and landing.startswith("s3://") -%}
        {{ exceptions.raise_compiler_error("The duckdb target reads a landing folder, not "
            ~ landing ~ ": set LANDING to a copy of it, or TARGET=snowflake") }}
    {%- endif -%}
    {%- set folder = landing | replace("'", "''") | replace("[", "[[]") | replace("*", "[*]") -%}
    {%- if execute and not run_query("from glob('" ~ folder ~ "/ledger/**/*.json') limit 1") -%}
        {{ exceptions.raise_compiler_error("Nothing has landed in " ~ landing
            ~ ": run make ingest, or set LANDING") }}
    {%- endif -%}
    {{ folder }}
{%- endmacro -%}

{%- macro landing_key(filename, folder) -%}
    {%- set depth = {"events": 5, "ledger": 4}[folder] -%}
    {%- set parts = [] -%}
    {%- for part in range(depth) -%}
        {%- do parts.append("split_part(" ~ filename ~ ", '/', " ~ (part - depth) ~ ")") -%}
    {%- endfor -%}
    {{ parts | join(" || '/' || ") }}
{%- endmacro -%}

{%- macro landed_key_pattern(folder) -%}
    {{ return(folder ~ "/[^/]+/[0-9]{4}-[0-9]{2}-[0-9]{2}/"
        ~ {"events": "[0-9]{2}/[^/]+[.]json([.]gz)?", "ledger": "[^/]+[.]json"}[folder]) }}
{%- endmacro -%}

{#- In DuckDB a list of files has settled it. -#}
{%- macro is_landed_file(folder) -%}
    {{ "true" if target.type == "duckdb"
        else matches(landing_key("filename", folder), landed_key_pattern(folder)) }}
{%- endmacro -%}

{%- macro escape_glob(path) -%}
    regexp_replace({{ path }}, '([*?\[])', '[\1]', 'g')
{%- endmacro -%}
