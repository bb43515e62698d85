{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="append",
        pre_hook="{{ prune_affected() }}",
    )
}}

with

landed as (
    select * from {{ ref("base_amplitude__events") }}
),

excluded_rows as (
    select * from {{ ref("stg_amplitude__excluded_rows") }}
),

-- one row per landed row that is new, or that became or stopped being a duplicate
changed_rows as (
    select
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        occurred_date,
        occurred_at,
        event_type
    from landed
    where batch_number > {{ watermark() }}
    union all
    select
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        occurred_date,
        occurred_at,
        event_type
    from excluded_rows
    where batch_number > {{ watermark() }}
),

-- one row per event type on an affected day of a session
affected as (
    select distinct
        project_id,
        unmerged_user_id,
        {{ counted_session_id() }} as amplitude_session_id,
        amplitude_session_id as exported_session_id,
        occurred_date,
        {{ reporting_date("occurred_at") }} as event_date,
        event_type
    from changed_rows
    -- a rebuild of this model rebuilds its readers too
    where {{ "true" if is_incremental() else "false" }}
),

keyed as (
    select
        {{ session_day_id() }} as session_day_id,
        *
    from affected
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [
                batch_number(),
                "session_day_id",
                "exported_session_id",
                "event_date",
                "event_type",
            ]
        ) }} as affected_session_day_id,
        *,
        {{ batch_number() }} as batch_number
    from keyed
)

select * from final
