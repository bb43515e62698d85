with

session_events as (
    select * from {{ ref("int_amplitude__session_events") }}
    where page_view_number is not null
),

frustrations as (
    select * from {{ ref("amplitude__frustrations") }}
),

-- one row per day and page
viewed as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [
                "project_id",
                "event_date",
                "md5(page_domain)",
                "md5(page_path)",
            ]
        ) }} as page_id,
        project_id,
        event_date,
        page_domain,
        page_path,
        count(*) as view_count,
        count(distinct user_id) as visitor_count,
        count(distinct session_id) as session_count,
        count_if(page_view_number = 1) as entry_count,
        count_if(page_view_number = page_view_count) as exit_count,
        count_if(page_view_number = 1 and is_bounced) as bounce_count,
        {{ average_seconds("page_seconds") }} as average_seconds,
        {{ median_seconds("page_seconds") }} as median_seconds
    from session_events
    group by 1, 2, 3, 4, 5
),

-- one row per day and page with a sign of frustration in a session that viewed it
frustrated as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [
                "session_events.project_id",
                "session_events.event_date",
                "md5(session_events.page_domain)",
                "md5(session_events.page_path)",
            ]
        ) }} as page_id,
        count(distinct session_events.session_id) as frustrated_session_count
    from session_events
    inner join frustrations
        on
            session_events.session_id = frustrations.session_id
            and session_events.event_date
            is not distinct from frustrations.frustrated_date
            and session_events.page_domain is not distinct from frustrations.page_domain
            and session_events.page_path is not distinct from frustrations.page_path
    group by 1
),

final as (
    select
        viewed.page_id,
        viewed.project_id,
        viewed.page_domain,
        viewed.page_path,
        viewed.view_count,
        viewed.visitor_count,
        viewed.session_count,
        viewed.entry_count,
        viewed.exit_count,
        viewed.bounce_count,
        coalesce(frustrated.frustrated_session_count, 0) as frustrated_session_count,
        viewed.exit_count / viewed.session_count::double as exit_rate,
        viewed.bounce_count / nullif(viewed.entry_count, 0)::double as bounce_rate,
        coalesce(frustrated.frustrated_session_count, 0)
        / viewed.session_count::double as frustrated_session_rate,
        viewed.average_seconds,
        viewed.median_seconds,
        viewed.event_date as viewed_date
    from viewed
    left join frustrated on viewed.page_id = frustrated.page_id
)

select * from final
