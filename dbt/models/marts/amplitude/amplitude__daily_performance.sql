{% set affected_activity = ref("int_amplitude__affected_activity") %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="daily_performance_id",
        meta={"affected": "int_amplitude__affected_activity"},
    )
}}

with

activity as (
    select * from {{ ref("int_amplitude__user_session_hours") }}
),

users as (
    select * from {{ ref("amplitude__users") }}
),

-- one row per event type of a session's day, with whose it is
actions as (
    select
        activity.daily_performance_id,
        activity.project_id,
        activity.event_date,
        activity.event_type,
        activity.amplitude_session_id,
        activity.event_count,
        activity.first_occurred_at,
        activity.user_id
    from activity
),

{% if is_incremental() -%}
affected as (
    select * from {{ affected_activity }}
    where batch_number > {{ watermark() }}
),

affected_users as (
    select
        project_id,
        user_id,
        min(event_date) as first_affected_date
    from affected
    group by 1, 2
),

affected_cells as (
    select distinct
        daily_performance_id,
        project_id,
        user_id,
        event_date
    from affected
),

-- one row per affected user: the first day of what has not changed, which was their first
-- day or is it now, unless it comes before all that has
first_days as (
    select
        actions.project_id,
        actions.user_id,
        min(actions.event_date) as event_date
    from actions
    inner join affected_users
        on
            actions.project_id = affected_users.project_id
            and actions.user_id = affected_users.user_id
    left join affected_cells
        on
            actions.project_id = affected_cells.project_id
            and actions.user_id = affected_cells.user_id
            and actions.daily_performance_id = affected_cells.daily_performance_id
    where affected_cells.project_id is null
    group by 1, 2, affected_users.first_affected_date
    having
        coalesce(min(actions.event_date) >= affected_users.first_affected_date, true)
),

-- one row per day of an affected user that may have become the first, or no longer is it
user_days as (
    select * from first_days
    union
    select
        project_id,
        user_id,
        event_date
    from affected_cells
),

-- one row per day and event type to rebuild
cells as (
    select daily_performance_id from affected_cells
    union
    select actions.daily_performance_id
    from actions
    inner join user_days
        on
            actions.project_id = user_days.project_id
            and actions.user_id = user_days.user_id
            and actions.event_date is not distinct from user_days.event_date
),

counted as (
    select * from actions
    where daily_performance_id in (select daily_performance_id from cells)
),

{%- else -%}
counted as (
    select * from actions
),

{%- endif %}

-- one row per user, session, day and event type
visits as (
    select
        daily_performance_id,
        project_id,
        event_date,
        event_type,
        user_id,
        amplitude_session_id,
        sum(event_count) as event_count
    from counted
    group by 1, 2, 3, 4, 5, 6
),

-- one row per user, day and event type
participants as (
    select
        daily_performance_id,
        project_id,
        event_date,
        event_type,
        user_id,
        sum(event_count) as event_count,
        count(amplitude_session_id) as session_count
    from visits
    group by 1, 2, 3, 4, 5
),

-- one row per day and event type
days as (
    select
        participants.daily_performance_id,
        participants.project_id,
        participants.event_date,
        participants.event_type,
        sum(participants.event_count)::bigint as event_count,
        count(participants.user_id) as user_count,
        count_if(
            users.user_id is not null
            and users.first_seen_date is not distinct from participants.event_date
        ) as first_day_user_count,
        count_if(
            users.user_id is not null
            and users.first_seen_date is not distinct from participants.event_date
            and users.first_event_type is not distinct from participants.event_type
        ) as new_user_count,
        sum(participants.session_count)::bigint as session_count
    from participants
    left join users
        on
            participants.project_id = users.project_id
            and participants.user_id = users.user_id
    group by 1, 2, 3, 4
),

final as (
    select
        daily_performance_id,
        project_id,
        event_date,
        event_type,
        event_count,
        user_count,
        new_user_count,
        first_day_user_count,
        session_count,
        {{ is_activity("event_type") }} as is_activity
    from days
)

select * from final
