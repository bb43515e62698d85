{%- macro find_new_files(folder) -%}
    {{ return(adapter.dispatch("find_new_files")(folder)) }}
{%- endmacro -%}

{%- macro snowflake__find_new_files(folder) -%}{%- endmacro -%}

{%- macro duckdb__find_new_files(folder) -%}
{%- set landing = env_var("LANDING", "data/landing") -%}
set variable new_{{ folder }}_files = (
    select ['/dev/null'] || coalesce(list(file order by file), [])
    from glob('{{ landing }}/{{ folder }}/**/*.json*')
    {% if is_incremental() -%}
        where {{ landing_key("file", folder) }} not in (select landing_key from {{ this }})
    {%- endif %}
)
{%- endmacro -%}
