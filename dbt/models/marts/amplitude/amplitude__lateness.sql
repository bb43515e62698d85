with

activity as (
    select * from {{ ref("int_amplitude__user_session_hours") }}
),

-- one row per session (or user outside any), day of the upload and delay
uploads as (
    select
        activity.project_id,
        activity.user_id,
        activity.amplitude_session_id,
        activity.uploaded_date,
        activity.delay_number,
        sum(activity.event_count) as event_count
    from activity
    group by 1, 2, 3, 4, 5
),

-- one row per such upload, with the day of the session's first
compared as (
    select
        *,
        coalesce(
            amplitude_session_id is not null
            and uploaded_date > min(uploaded_date) over (
                partition by project_id, user_id, amplitude_session_id
            ),
            false
        ) as is_change
    from uploads
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["project_id", "uploaded_date", "delay_number"]
        ) }} as lateness_id,
        project_id,
        uploaded_date,
        delay_number,
        case delay_number
            when 1 then 'under 1 hour'
            when 2 then '1 hour to 1 day'
            when 3 then '1 to 7 days'
            when 4 then '7 to 30 days'
            when 5 then '30 days and more'
            else 'unknown'
        end as delay,
        sum(event_count)::bigint as event_count,
        count(amplitude_session_id) as session_count,
        count_if(is_change) as changed_session_count
    from compared
    group by 1, 2, 3, 4, 5
)

select * from final
