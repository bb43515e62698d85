with

upload_hours as (
    select * from {{ ref("stg_amplitude__upload_hours") }}
    where is_settled and {{ is_of_chosen_project("project_id") }}
),

-- one row per settled hour, and whether the hour before it is not settled
marked as (
    select
        project_id,
        upload_hour_started_at,
        coalesce(
            upload_hour_started_at - interval '1 hour' != lag(
                upload_hour_started_at
            ) over (partition by project_id order by upload_hour_started_at),
            true
        ) as is_first_of_range
    from upload_hours
),

-- the same, with the number of the range that the hour is in
numbered as (
    select
        *,
        sum(is_first_of_range::int) over (
            partition by project_id
            order by upload_hour_started_at
            rows between unbounded preceding and current row
        )::bigint as range_number
    from marked
),

ranges as (
    select
        project_id,
        range_number,
        min(upload_hour_started_at) as loaded_from_at,
        max(upload_hour_started_at) + interval '1 hour' as loaded_until_at
    from numbered
    group by 1, 2
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(["project_id", "range_number"]) }}
            as loaded_range_id,
        project_id,
        range_number,
        loaded_from_at,
        loaded_until_at,
        -- a day is complete if it began after the range did, and ended before it did
        {{ reporting_date("(loaded_from_at - interval '1 second')") }} + 1
            as first_complete_date,
        {{ reporting_date("loaded_until_at") }} - 1 as last_complete_date
    from ranges
)

select * from final
