{%- macro note_file_times() -%}
    {{ return(adapter.dispatch("note_file_times")()) }}
{%- endmacro -%}

{%- macro snowflake__note_file_times() -%}{%- endmacro -%}

{%- macro duckdb__note_file_times() -%}
set variable new_events_times = (
    select [null::timestamp] || coalesce(list(last_modified::timestamp order by filename), [])
    from read_blob(getvariable('new_events_files'))
    where filename != '/dev/null'
)
{%- endmacro -%}
