{{ config(materialized="view") }}

with

marked_events as (
    select * from {{ ref("int_amplitude__marked_events") }}
    where {{ counted_traffic() }}
),

purchases as (
    select * from {{ ref("int_amplitude__purchases") }}
),

final as (
    select
        marked_events.session_day_id,
        marked_events.project_event_id,
        marked_events.project_id,
        marked_events.unmerged_user_id,
        marked_events.amplitude_session_id,
        marked_events.event_type,
        marked_events.funnel_steps,
        purchases.revenue,
        marked_events.event_date,
        marked_events.occurred_at
    from marked_events
    left join purchases
        on marked_events.project_event_id = purchases.project_event_id
    where purchases.revenue is not null or marked_events.funnel_steps != ''
)

select * from final
