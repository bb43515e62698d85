{%- macro explain_unread_ledger(results) -%}
    {%- for result in results if result.status in ["error", "fail"] and modules.re.search("amplitude__(ledger_lines|landed_files)", result.node.name) -%}
        {%- if loop.first -%}
            {%- do log("A line of the ledger is not as the ingest writes it: make ledger names its file and what is wrong. Restore that file, or move it away and run make ingest, which asks for its hours again; then build", info=true) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro -%}
