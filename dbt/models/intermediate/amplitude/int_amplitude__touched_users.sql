with

changes as (
    select * from {{ ref("stg_amplitude__changes") }}
),

activity as (
    select * from {{ ref("int_amplitude__hourly_activity") }}
),

identities as (
    select * from {{ ref("stg_amplitude__identities") }}
),

-- one row per amplitude id that has changed hands
rekeyed as (
    select distinct
        project_id,
        amplitude_id
    from identities
    where build_number > {{ last_build() }}
),

-- one row per kind of event of a session's day that has changed, or changed hands
touched as (
    select
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        event_date,
        event_type
    from changes
    union
    select
        activity.project_id,
        activity.unmerged_user_id,
        activity.amplitude_session_id,
        activity.event_date,
        activity.event_type
    from activity
    inner join rekeyed
        on
            activity.project_id = rekeyed.project_id
            and activity.unmerged_user_id = rekeyed.amplitude_id
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

-- one row per user and kind of event of a session's day
users as (
    select distinct
        touched.project_id,
        coalesce(owners.user_id, touched.unmerged_user_id) as user_id,
        touched.amplitude_session_id,
        touched.event_date,
        touched.event_type
    from touched
    left join owners
        on
            touched.project_id = owners.project_id
            and touched.unmerged_user_id = owners.amplitude_id
    where {{ "true" if builds().is_whole else "false" }}
),

keyed as (
    select
        {{ session_id() }} as session_id,
        {{ project_user_id() }} as project_user_id,
        {{ daily_performance_id() }} as daily_performance_id,
        *
    from users
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["project_user_id", "session_id", "daily_performance_id"]
        ) }} as touched_user_id,
        *
    from keyed
)

select * from final
