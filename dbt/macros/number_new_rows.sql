{%- macro number_new_rows() -%}
    {{ return(adapter.dispatch("number_new_rows")()) }}
{%- endmacro -%}

{%- macro snowflake__number_new_rows() -%}{%- endmacro -%}

{%- macro duckdb__number_new_rows() -%}
update {{ this }} as landed
set
    file_row_number = landed.rowid - files.first_rowid + 1,
    landed_row_id = split_part(split_part(landed.landing_key, '/', -1), '.', 1)
        || '-' || (landed.rowid - files.first_rowid + 1)
from (
    select landing_key, min(rowid) as first_rowid
    from {{ this }}
    where file_row_number is null
    group by 1
) as files
where landed.landing_key = files.landing_key and landed.file_row_number is null
{%- endmacro -%}
