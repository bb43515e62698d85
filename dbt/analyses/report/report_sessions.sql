with

sessions as (
    select * from {{ ref('amplitude__sessions') }}
),

frustrations as (
    select * from {{ ref('amplitude__frustrations') }}
),

-- one row per session with a sign of frustration
frustrated_sessions as (
    select distinct session_id
    from frustrations
),

-- one row per day that sessions start on
final as (
    select
        sessions.project_id,
        sessions.started_date,
        count(*) as session_count,
        count(frustrated_sessions.session_id) as frustrated_session_count
    from sessions
    left join frustrated_sessions
        on sessions.session_id = frustrated_sessions.session_id
    group by 1, 2
    qualify
        row_number() over (
            partition by sessions.project_id
            order by sessions.started_date desc nulls last
        ) <= 400
)

select * from final
order by 1, 2
