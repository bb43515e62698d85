{%- macro files_to_load(source) -%}
    with landed as (
        select filename, {{ landing_key("filename", "events") }} as landing_key, count(*) as row_count
        from {{ source }} group by 1, 2
    ),
    loaded as (select landing_key, count(*) as row_count from {{ this }} group by 1)
    select landed.filename, landed.landing_key
    from landed left join loaded on landed.landing_key = loaded.landing_key
    where landed.row_count > coalesce(loaded.row_count, 0)
        and {{ matches("landed.landing_key", landed_key_pattern("events")) }}
{%- endmacro -%}
