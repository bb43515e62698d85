with

pages as (
    select * from {{ ref('amplitude__pages') }}
),

session_events as (
    select * from {{ ref('int_amplitude__session_events') }}
),

-- one row per day and page of the last three months with a page view
recent as (
    select
        *,
        sum(view_count) over (
            partition by project_id, page_domain, page_path
        ) as page_view_count
    from pages
    qualify
        dense_rank() over (
            partition by project_id
            order by viewed_date desc nulls last
        ) <= 92
),

-- one row per page of these days that enough users saw to name it
known as (
    select
        project_id,
        page_domain,
        page_path
    from session_events
    where event_date >= (select min(recent.viewed_date) from recent)
    group by 1, 2, 3
    having count(distinct user_id) >= {{ variable('report_minimum_users') }}
),

-- the same as recent, with the page's place among those that can be named
ranked as (
    select
        recent.*,
        known.project_id is not null as is_known,
        dense_rank() over (
            partition by recent.project_id
            order by
                known.project_id is null,
                recent.page_view_count desc nulls last,
                recent.page_domain asc,
                recent.page_path asc
        ) as page_number
    from recent
    left join known
        on
            recent.project_id = known.project_id
            and recent.page_domain is not distinct from known.page_domain
            and recent.page_path is not distinct from known.page_path
),

named as (
    select
        *,
        is_known and page_number <= 40 as is_named
    from ranked
),

-- the most viewed pages, and all others of a day together
final as (
    select
        project_id,
        viewed_date,
        case when is_named then page_domain end as page_domain,
        case when is_named then page_path end as page_path,
        not is_named as is_rest,
        sum(view_count) as view_count,
        sum(session_count) as session_count,
        sum(entry_count) as entry_count,
        sum(exit_count) as exit_count,
        sum(bounce_count) as bounce_count,
        sum(frustrated_session_count) as frustrated_session_count
    from named
    group by 1, 2, 3, 4, 5
)

select * from final
order by 1, 2, 3, 4
