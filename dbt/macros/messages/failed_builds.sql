{%- macro explain_damaged_warehouse(results) -%}
    {%- set messages = results | selectattr("status", "equalto", "error") | map(attribute="message")
        | join(" ") -%}
    {#- As a package it knows nothing of what else is in the file. -#}
    {%- if target.type == "duckdb" and project_name == "amplitude_warehouse"
        and modules.re.search("Corrupt database file|not read enough bytes|not read all"
            ~ "|Failed to deserialize|database has been invalidated", messages) -%}
        {%- set path = env_var("WAREHOUSE", "data/warehouse.duckdb") -%}
        {%- do log(path ~ " is damaged. The landing holds all that is in it: move it away (mv "
            ~ path ~ " " ~ path ~ ".damaged), then build again", info=true) -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro explain_unread_file(results) -%}
    {%- set pattern = "events/[^/\\s]+/[-0-9]+/[0-9]+/[^/\\s]+[.]json(?:[.]gz)?" -%}
    {%- for result in results if result.status == "error"
        and is_own(result.node) and result.node.name == "base_amplitude__events" -%}
        {%- for key in modules.re.findall(pattern, result.message)[:1] -%}
            {%- set hour = key.split("/")[2] ~ "T" ~ key.split("/")[3] -%}
            {%- set command = "make ingest START=" ~ hour ~ " END=" ~ hour ~ " ARGS=--force" -%}
            {%- do log("DuckDB cannot read " ~ key
                ~ " in the landing: move the file elsewhere, then export its hour again with "
                ~ command, info=true) -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro -%}

{%- macro explain_unread_ledger(results) -%}
    {%- for result in results if result.status in ["error", "fail"] and is_own(result.node)
        and modules.re.search("amplitude__(ledger_lines|landed_files)", result.node.name) -%}
        {%- if loop.first -%}
            {%- do log("A line of the ledger is not as the ingest writes it: make ledger names"
                ~ " its file and what is wrong. Restore that file, or move it away and run"
                ~ " make ingest, which asks for its hours again; then build", info=true) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro -%}

{%- macro explain_failed_tests(results) -%}
    {%- for result in results if execute and result.status in ["fail", "warn"]
        and is_own(result.node) and result.node.config.meta.get("row") -%}
        {%- set meta = result.node.config.meta -%}
        {%- set found = run_query("select " ~ meta["row"] ~ " from (" ~ result.node.compiled_code
            ~ ") as failed order by 1 limit 3") -%}
        {%- do log(result.node.name ~ ": " ~ found.columns[0].values() | join("; ") ~ ". "
            ~ meta["advice"], info=true) -%}
    {%- endfor -%}
{%- endmacro -%}
