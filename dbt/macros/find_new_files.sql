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
