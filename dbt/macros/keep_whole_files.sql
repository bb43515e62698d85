{%- macro keep_whole_files() -%}
    {{ return(adapter.dispatch("keep_whole_files")()) }}
{%- endmacro -%}

{%- macro snowflake__keep_whole_files() -%}{%- endmacro -%}

{%- macro duckdb__keep_whole_files() -%}
set variable new_events_files = (
    select ['/dev/null'] || coalesce(list({{ escape_glob("filename") }} order by filename), [])
    from read_blob(getvariable('new_events_files'))
    where left(sha256(content), 16) = regexp_extract(filename, '-(\w+)\.json(\.gz)?$', 1)
)
{%- endmacro -%}
