with

loaded_ranges as (
    select * from {{ ref("int_amplitude__loaded_ranges") }}
),

digits as (
    {% for digit in range(10) -%}
    select {{ digit }} as digit
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per number below 100,000: days enough for 270 years
numbers as (
    select
        ones.digit
        + 10 * tens.digit
        + 100 * hundreds.digit
        + 1000 * thousands.digit
        + 10000 * ten_thousands.digit as day_count
    from digits as ones
    cross join digits as tens
    cross join digits as hundreds
    cross join digits as thousands
    cross join digits as ten_thousands
),

-- one row: the first day and the last of all projects
bounds as (
    select
        min(first_event_date) as first_date,
        max(last_loaded_date) as last_date
    from loaded_ranges
),

final as (
    select bounds.first_date + numbers.day_count as calendar_date
    from bounds
    inner join numbers
        on numbers.day_count <= datediff('day', bounds.first_date, bounds.last_date)
)

select * from final
