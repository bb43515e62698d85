with

pages as (
    select * from {{ ref('amplitude__pages') }}
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
        dense_rank() over (partition by project_id order by viewed_date desc) <= 92
),

-- the same, with the page's place among all
ranked as (
    select
        *,
        dense_rank() over (
            partition by project_id
            order by page_view_count desc, page_domain asc, page_path asc
        ) as page_number
    from recent
),

-- the most viewed pages, and all others of a day together
final as (
    select
        project_id,
        viewed_date,
        case when page_number <= 40 then page_domain end as page_domain,
        case when page_number <= 40 then page_path end as page_path,
        page_number > 40 as is_rest,
        sum(view_count) as view_count,
        sum(session_count) as session_count,
        sum(entry_count) as entry_count,
        sum(exit_count) as exit_count,
        sum(bounce_count) as bounce_count,
        sum(frustrated_session_count) as frustrated_session_count
    from ranked
    group by 1, 2, 3, 4, 5
)

select * from final
order by 1, 2, 3, 4
