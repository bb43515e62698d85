{%- macro explain_unread_file(results) -%}
    {%- set pattern = "events/[^/\\s]+/[-0-9]+/[0-9]+/[^/\\s]+[.]json(?:[.]gz)?" -%}
    {%- for result in results if result.status == "error" and result.node.name == "base_amplitude__events" -%}
        {%- for key in modules.re.findall(pattern, result.message)[:1] -%}
            {%- set hour = key.split("/")[2] ~ "T" ~ key.split("/")[3] -%}
            {%- set command = "make ingest START=" ~ hour ~ " END=" ~ hour ~ " ARGS=--force" -%}
            {%- do log("DuckDB cannot read " ~ key ~ " in the landing: move the file elsewhere, then export its hour again with " ~ command, info=true) -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro -%}
