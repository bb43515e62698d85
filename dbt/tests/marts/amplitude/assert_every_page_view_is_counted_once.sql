-- A returned row is a project whose pages were viewed, entered, left or bounced off
-- more or less often than its sessions say.
with

sessions as (
    select
        project_id,
        sum(page_view_count) as view_count,
        count_if(page_view_count > 0) as visit_count,
        count_if(is_bounced) as bounce_count
    from {{ ref("amplitude__sessions") }}
    group by 1
),

pages as (
    select
        project_id,
        sum(view_count) as view_count,
        sum(entry_count) as entry_count,
        sum(exit_count) as exit_count,
        sum(bounce_count) as bounce_count
    from {{ ref("amplitude__pages") }}
    group by 1
)

select
    sessions.project_id,
    sessions.view_count as expected_view_count,
    pages.view_count,
    sessions.visit_count,
    pages.entry_count,
    pages.exit_count,
    sessions.bounce_count as expected_bounce_count,
    pages.bounce_count
from sessions
left join pages on sessions.project_id = pages.project_id
where
    sessions.view_count != coalesce(pages.view_count, 0)
    or sessions.visit_count != coalesce(pages.entry_count, 0)
    or sessions.visit_count != coalesce(pages.exit_count, 0)
    or sessions.bounce_count != coalesce(pages.bounce_count, 0)
