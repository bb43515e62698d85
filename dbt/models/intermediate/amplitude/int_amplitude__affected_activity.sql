{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="append",
        pre_hook="{{ prune_affected() }}",
    )
}}

with

affected_session_days as (
    select * from {{ ref("stg_amplitude__affected_session_days") }}
    where batch_number > {{ watermark() }}
),

session_hours as (
    select * from {{ ref("int_amplitude__session_hours") }}
),

identities as (
    select * from {{ ref("stg_amplitude__identities") }}
),

-- one row per amplitude id whose user changed
reassigned as (
    select distinct
        project_id,
        amplitude_id
    from identities
    where batch_number > {{ watermark() }}
),

-- one row per event type on a day of a session whose events or user changed
changed as (
    select
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        event_date,
        event_type
    from affected_session_days
    union
    select
        session_hours.project_id,
        session_hours.unmerged_user_id,
        session_hours.amplitude_session_id,
        session_hours.event_date,
        session_hours.event_type
    from session_hours
    inner join reassigned
        on
            session_hours.project_id = reassigned.project_id
            and session_hours.unmerged_user_id = reassigned.amplitude_id
),

-- one row per user that an amplitude id belongs to, or ever belonged to
owners as (
    select
        project_id,
        amplitude_id,
        user_id
    from identities
    union
    select
        project_id,
        amplitude_id,
        amplitude_id as user_id
    from identities
),

-- one row per user, session, day and event type
affected as (
    select distinct
        changed.project_id,
        coalesce(owners.user_id, changed.unmerged_user_id) as user_id,
        changed.amplitude_session_id,
        changed.event_date,
        changed.event_type
    from changed
    left join owners
        on
            changed.project_id = owners.project_id
            and changed.unmerged_user_id = owners.amplitude_id
    -- a rebuild of this model rebuilds its readers too
    where {{ "true" if is_incremental() else "false" }}
),

keyed as (
    select
        {{ session_id() }} as session_id,
        {{ project_user_id() }} as project_user_id,
        {{ daily_performance_id() }} as daily_performance_id,
        *
    from affected
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [batch_number(), "project_user_id", "session_id", "daily_performance_id"]
        ) }} as affected_activity_id,
        *,
        {{ batch_number() }} as batch_number
    from keyed
)

select * from final
