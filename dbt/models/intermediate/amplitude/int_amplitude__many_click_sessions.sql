with

events as (
    select * from {{ ref("stg_amplitude__events") }}
),

-- one row per event of a session, with the interaction it is part of
interactions as (
    select
        event_id,
        project_id,
        user_id,
        session_id,
        event_type,
        element,
        page_url,
        occurred_at,
        {{ dbt_utils.generate_surrogate_key(
            ["session_id", "md5(event_type)", "md5(element)", "md5(page_url)"]
        ) }} as interaction_id
    from events
    where session_id is not null
),

-- one row per event of an interaction that happened more than twice
repeated as (
    select
        *,
        count(*) over (partition by interaction_id) as interaction_event_count
    from interactions
    qualify count(*) over (partition by interaction_id) > 2
),

final as (
    select
        *,
        row_number() over (
            partition by interaction_id order by occurred_at, event_id
        ) as interaction_event_number,
        datediff(
            'microsecond',
            lag(occurred_at) over (
                partition by interaction_id order by occurred_at, event_id
            ),
            occurred_at
        ) / 1000000.0 as gap_seconds
    from repeated
)

select * from final
