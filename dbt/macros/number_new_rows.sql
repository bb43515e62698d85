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
