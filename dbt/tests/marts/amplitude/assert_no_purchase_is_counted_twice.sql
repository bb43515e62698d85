-- A returned row is a purchase that probably counts twice: a device or user earned the
-- same amount for the same product within a minute by another of Amplitude's revenue
-- events.
{{ config(severity="warn") }}

select
    purchases.project_event_id,
    other_purchases.project_event_id as other_project_event_id,
    purchases.event_type,
    other_purchases.event_type as other_event_type,
    purchases.revenue,
    purchases.happened_at,
    other_purchases.happened_at as other_happened_at
from {{ ref("int_amplitude__purchases") }} as purchases
inner join {{ ref("int_amplitude__purchases") }} as other_purchases
    on
        purchases.project_id = other_purchases.project_id
        and purchases.product_id is not distinct from other_purchases.product_id
        and purchases.revenue::decimal(28, 9) = other_purchases.revenue::decimal(28, 9)
        and purchases.event_type != other_purchases.event_type
        and (
            purchases.device_id = other_purchases.device_id
            or purchases.unmerged_user_id = other_purchases.unmerged_user_id
        )
        and abs(
            datediff('second', purchases.happened_at, other_purchases.happened_at)
        ) <= 60
where
    purchases.event_type in ('revenue_amount', 'unverified_revenue')
    and other_purchases.event_type in ('unverified_revenue', 'verified_revenue')
