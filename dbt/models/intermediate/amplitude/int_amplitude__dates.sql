with

calendars as (
    select * from {{ ref("int_amplitude__calendars") }}
),

-- one row: the first day and the last of all projects
bounds as (
    select
        min(calendar_started_date) as first_date,
        datediff('day', min(calendar_started_date), max(last_loaded_date)) + 1
            as day_count
    from calendars
),

final as (
    select {{ add_days("bounds.first_date", "item.value::int") }} as calendar_date
    from bounds, {{ unnest_numbers("bounds.day_count") }}
)

select * from final
