with

frustrations as (
    select * from {{ ref('amplitude__frustrations') }}
),

session_events as (
    select * from {{ ref('int_amplitude__session_events') }}
),

-- one row per day and element of a page, of the last three months with any
daily as (
    select
        project_id,
        frustrated_date,
        page_domain,
        page_path,
        element,
        count(distinct session_id) as session_count,
        sum(rage_click_count) as rage_click_count,
        sum(dead_click_count) as dead_click_count,
        sum(error_click_count) as error_click_count,
        sum(thrashed_cursor_count) as thrashed_cursor_count,
        sum(repeat_click_count) as repeat_click_count
    from frustrations
    group by 1, 2, 3, 4, 5
    qualify
        dense_rank() over (
            partition by project_id
            order by frustrated_date desc nulls last
        ) <= 92
),

-- the same, with how often the element frustrates in all
weighed as (
    select
        *,
        sum(session_count) over (
            partition by project_id, page_domain, page_path, element
        ) as element_session_count
    from daily
),

recent as (
    select * from session_events
    where event_date >= (select min(daily.frustrated_date) from daily)
),

-- one row per page, and one per element, that enough users saw to name it
known_pages as (
    select
        project_id,
        page_domain,
        page_path
    from recent
    group by 1, 2, 3
    having count(distinct user_id) >= {{ variable('report_minimum_users') }}
),

known_elements as (
    select
        project_id,
        element
    from recent
    group by 1, 2
    having count(distinct user_id) >= {{ variable('report_minimum_users') }}
),

known as (
    select
        weighed.*,
        known_pages.project_id is not null
        and known_elements.project_id is not null as is_known
    from weighed
    left join known_pages
        on
            weighed.project_id = known_pages.project_id
            and weighed.page_domain is not distinct from known_pages.page_domain
            and weighed.page_path is not distinct from known_pages.page_path
    left join known_elements
        on
            weighed.project_id = known_elements.project_id
            and weighed.element is not distinct from known_elements.element
),

-- the same, with the element's place among those that can be named
ranked as (
    select
        *,
        dense_rank() over (
            partition by project_id
            order by
                is_known desc nulls last,
                element_session_count desc nulls last,
                page_domain asc,
                page_path asc,
                element asc
        ) as element_number
    from known
),

named as (
    select
        *,
        is_known and element_number <= 40 as is_named
    from ranked
),

-- the elements that frustrate in most sessions, and all others of a day together
final as (
    select
        project_id,
        frustrated_date,
        case when is_named then page_domain end as page_domain,
        case when is_named then page_path end as page_path,
        case when is_named then element end as element,
        not is_named as is_rest,
        sum(session_count) as session_count,
        sum(rage_click_count) as rage_click_count,
        sum(dead_click_count) as dead_click_count,
        sum(error_click_count) as error_click_count,
        sum(thrashed_cursor_count) as thrashed_cursor_count,
        sum(repeat_click_count) as repeat_click_count
    from named
    group by 1, 2, 3, 4, 5, 6
)

select * from final
order by 1, 2, 3, 4, 5
