{%- macro is_not_loaded(source) -%} {{ return(adapter.dispatch("is_not_loaded")(source)) }} {%- endmacro -%}

{#- Which files the reader was given has settled it. -#}
{%- macro duckdb__is_not_loaded(source) -%} true {%- endmacro -%}

{%- macro snowflake__is_not_loaded(source) -%}
    {%- set key = landing_key("filename", "events") -%}
    {%- set files = run_query(files_to_load(source)) if execute else none -%}
    {%- if files and files.rows -%}
        filename {{ in_or_between(files.columns[0].values()) }}
        and {{ key }} || '#' || file_row_number not in (
            select landed_row_id from {{ this }} where landing_key {{ in_or_between(files.columns[1].values()) }}
        )
    {%- else -%} false {%- endif -%}
{%- endmacro -%}
