with

landed as (
    select * from {{ ref("base_amplitude__events") }}
),

removed_rows as (
    select * from {{ ref("stg_amplitude__removed_rows") }}
),

-- one row per landed row that is new, or is counted now and was not, or was and is not
changed_rows as (
    select
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        occurred_date,
        occurred_at,
        event_type
    from landed
    where build_number > {{ last_build() }}
    union all
    select
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        occurred_date,
        occurred_at,
        event_type
    from removed_rows
    where build_number > {{ last_build() }}
),

-- one row per kind of event of a session's day among these
changes as (
    select distinct
        project_id,
        unmerged_user_id,
        {{ counted_session_id() }} as amplitude_session_id,
        amplitude_session_id as exported_session_id,
        occurred_date,
        {{ reporting_date("occurred_at") }} as event_date,
        event_type
    from changed_rows
    -- the first build, and a full refresh, make everything anew
    where {{ "true" if builds().is_whole else "false" }}
),

keyed as (
    select
        {{ session_day_id() }} as session_day_id,
        *
    from changes
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["session_day_id", "exported_session_id", "event_date", "event_type"]
        ) }} as change_id,
        *
    from keyed
)

select * from final
