{{ config(materialized="amplitude_view") }}

with

conversion_candidates as (
    select * from {{ ref("int_amplitude__conversion_candidates") }}
    where is_counted
),

purchases as (
    select * from {{ ref("int_amplitude__purchases") }}
),

identities as (
    select * from {{ ref("stg_amplitude__identities") }}
    where is_current
),

final as (
    select
        conversion_candidates.session_day_id,
        conversion_candidates.project_event_id,
        conversion_candidates.project_id,
        coalesce(identities.user_id, conversion_candidates.unmerged_user_id) as user_id,
        conversion_candidates.amplitude_session_id,
        conversion_candidates.event_type,
        conversion_candidates.funnel_steps,
        purchases.revenue,
        conversion_candidates.event_date,
        conversion_candidates.occurred_at
    from conversion_candidates
    left join purchases
        on conversion_candidates.project_event_id = purchases.project_event_id
    left join identities
        on
            conversion_candidates.project_id = identities.project_id
            and conversion_candidates.unmerged_user_id = identities.amplitude_id
    where purchases.revenue is not null or conversion_candidates.funnel_steps != ''
)

select * from final
