with

attribution as (
    select * from {{ ref('amplitude__attribution') }}
),

-- one row per touch, day and channel
final as (
    select
        project_id,
        touch,
        attributed_date,
        channel,
        sum(session_count) as session_count,
        sum(new_user_count) as new_user_count,
        sum(revenue_event_count) as revenue_event_count,
        sum(revenue::decimal(28, 9))::double as revenue
    from attribution
    where attributed_date is not null
    group by 1, 2, 3, 4
    qualify
        dense_rank() over (
            partition by project_id
            order by attributed_date desc nulls last
        ) <= 400
)

select * from final
order by 1, 2, 3, 4
