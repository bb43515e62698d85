with

events as (
    select * from {{ ref("amplitude__events") }}
    where event_type = 'Order Completed'
),

final as (
    select
        event_date,
        count(*) as order_count,
        count(distinct user_id) as buyer_count
    from events
    group by event_date
)

select * from final
