{%- macro find_new_files(folder) -%}
    {{ return(adapter.dispatch("find_new_files")(folder)) }}
{%- endmacro -%}

{%- macro snowflake__find_new_files(folder) -%}{%- endmacro -%}

{#- A name is a pattern to DuckDB's readers, so that what it matches by is escaped. -#}
{%- macro duckdb__find_new_files(folder) -%}
set variable new_{{ folder }}_files = (
    select ['/dev/null'] || coalesce(list({{ escape_glob("file") }} order by file), [])
    from glob('{{ landing_folder() }}/{{ folder }}/**/*.json*')
    where {{ matches("file", ".*/" ~ landed_key_pattern(folder)) }}
    {% if is_incremental() -%}
        and {{ landing_key("file", folder) }} not in (select distinct landing_key from {{ this }})
    {%- endif %}
)
{%- endmacro -%}

{%- macro skip_truncated_files() -%}
    {{ return(adapter.dispatch("skip_truncated_files")()) }}
{%- endmacro -%}

{%- macro snowflake__skip_truncated_files() -%}{%- endmacro -%}

{#- Two readers, because one takes one thread. -#}
{%- macro duckdb__skip_truncated_files() -%}
set variable new_events_files = (
    select ['/dev/null'] || coalesce(list({{ escape_glob("filename") }} order by filename), [])
    from (
        select filename, sha256(content) as hash
            from read_blob(getvariable('new_events_files')[1:-:2])
        union all
        select filename, sha256(content) as hash
            from read_blob(['/dev/null'] || getvariable('new_events_files')[2:-:2])
    )
    where left(hash, 16) = regexp_extract(filename, '-(\w+)\.json(\.gz)?$', 1)
)
{%- endmacro -%}

{%- macro set_file_times() -%}
    {{ return(adapter.dispatch("set_file_times")()) }}
{%- endmacro -%}

{%- macro snowflake__set_file_times() -%}{%- endmacro -%}

{%- macro duckdb__set_file_times() -%}
set variable new_events_times = (
    select [null::timestamp] || coalesce(list(last_modified::timestamp order by filename), [])
    from read_blob(getvariable('new_events_files'))
    where filename != '/dev/null'
)
{%- endmacro -%}

{%- macro number_new_rows() -%}
    {{ return(adapter.dispatch("number_new_rows")()) }}
{%- endmacro -%}

{%- macro snowflake__number_new_rows() -%}{%- endmacro -%}

{#- Not in the transaction that added them: DuckDB would log the rows whole. Numbers that
    a build owes are made good by the next. -#}
{%- macro duckdb__number_new_rows() -%}
update {{ this }} as landed
set
    file_row_number = rowid - first_rowid + 1,
    landed_row_id = landing_key || '#' || (rowid - first_rowid + 1)
from (
    select landing_key as file, min(rowid) as first_rowid
    from {{ this }} where file_row_number is null group by 1
) as new_files
where landing_key = file and file_row_number is null
{%- endmacro -%}

{#- Keys are computed of files, not of rows. All files are counted, not only those that were
    loaded since the last build: raw may be filled by other means that keep loaded_at. -#}
{%- macro files_to_load(source) -%}
    with counted as (
        select filename, count(*) as row_count from {{ source }} group by 1
    ),
    landed as (
        select filename, {{ landing_key("filename", "events") }} as landing_key, row_count
        from counted
    ),
    loaded as (select landing_key, count(*) as row_count from {{ this }} group by 1)
    select landed.filename, landed.landing_key
    from landed left join loaded on landed.landing_key = loaded.landing_key
    where landed.row_count > coalesce(loaded.row_count, 0)
        and {{ matches("landed.landing_key", landed_key_pattern("events")) }}
{%- endmacro -%}

{%- macro is_new_row(source) -%}
    {{ return(adapter.dispatch("is_new_row")(source)) }}
{%- endmacro -%}

{#- Which files the reader was given has settled it. -#}
{%- macro duckdb__is_new_row(source) -%} true {%- endmacro -%}

{%- macro snowflake__is_new_row(source) -%}
    {%- set key = landing_key("filename", "events") -%}
    {%- set files = run_query(files_to_load(source)) if execute else none -%}
    {%- if files and files.rows -%}
        filename {{ in_or_between(files.columns[0].values()) }}
        and {{ key }} || '#' || file_row_number not in (
            select landed_row_id from {{ this }}
                where landing_key {{ in_or_between(files.columns[1].values()) }}
        )
    {%- else -%} false {%- endif -%}
{%- endmacro -%}
