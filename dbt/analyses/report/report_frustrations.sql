with

frustrations as (
    select * from {{ ref('amplitude__frustrations') }}
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
        dense_rank() over (partition by project_id order by frustrated_date desc) <= 92
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

-- the same, with the element's place among all
ranked as (
    select
        *,
        dense_rank() over (
            partition by project_id
            order by
                element_session_count desc, page_domain asc, page_path asc, element asc
        ) as element_number
    from weighed
),

-- the elements that frustrate in most sessions, and all others of a day together
final as (
    select
        project_id,
        frustrated_date,
        case when element_number <= 40 then page_domain end as page_domain,
        case when element_number <= 40 then page_path end as page_path,
        case when element_number <= 40 then element end as element,
        element_number > 40 as is_rest,
        sum(session_count) as session_count,
        sum(rage_click_count) as rage_click_count,
        sum(dead_click_count) as dead_click_count,
        sum(error_click_count) as error_click_count,
        sum(thrashed_cursor_count) as thrashed_cursor_count,
        sum(repeat_click_count) as repeat_click_count
    from ranked
    group by 1, 2, 3, 4, 5, 6
)

select * from final
order by 1, 2, 3, 4, 5
