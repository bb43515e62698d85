{%- macro keep_whole_files() -%}
    {{ return(adapter.dispatch("keep_whole_files")()) }}
{%- endmacro -%}

{%- macro snowflake__keep_whole_files() -%}{%- endmacro -%}

{#- Two readers, because one takes one thread. -#}
{%- macro duckdb__keep_whole_files() -%}
set variable new_events_files = (
    select ['/dev/null'] || coalesce(list({{ escape_glob("filename") }} order by filename), [])
    from (
        select filename, sha256(content) as hash from read_blob(getvariable('new_events_files')[1:-:2])
        union all
        select filename, sha256(content) as hash from read_blob(['/dev/null'] || getvariable('new_events_files')[2:-:2])
    )
    where left(hash, 16) = regexp_extract(filename, '-(\w+)\.json(\.gz)?$', 1)
)
{%- endmacro -%}
