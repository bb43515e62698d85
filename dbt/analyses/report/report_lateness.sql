with

lateness as (
    select * from {{ ref('amplitude__lateness') }}
),

final as (
    select
        project_id,
        uploaded_date,
        delay_number,
        delay,
        event_count
    from lateness
    where uploaded_date is not null
    qualify
        dense_rank() over (
            partition by project_id
            order by uploaded_date desc nulls last
        ) <= 400
)

select * from final
order by project_id, uploaded_date, delay_number
