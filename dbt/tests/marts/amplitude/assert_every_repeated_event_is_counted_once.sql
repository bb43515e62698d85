-- A returned row is an interaction of staged events, but for the traffic that is left
-- out, whose number of events is not the mart's: `amplitude__repeat_clicks` has lost
-- events, or counted some twice.
with

interactions as (
    select
        session_id,
        coalesce(event_type, '') as event_type,
        coalesce(element, '') as element,
        coalesce(page_url, '') as page_url,
        count(*) as event_count
    from {{ ref("stg_amplitude__events") }}
    where session_id is not null and is_counted
    group by 1, 2, 3, 4
    having count(*) > 2
),

repeat_clicks as (
    select
        session_id,
        coalesce(event_type, '') as event_type,
        coalesce(element, '') as element,
        coalesce(page_url, '') as page_url,
        event_count
    from {{ ref("amplitude__repeat_clicks") }}
)

select
    interactions.session_id as expected_session_id,
    repeat_clicks.session_id,
    interactions.event_count as expected_event_count,
    repeat_clicks.event_count
from interactions
full outer join repeat_clicks
    on
        interactions.session_id = repeat_clicks.session_id
        and interactions.event_type = repeat_clicks.event_type
        and interactions.element = repeat_clicks.element
        and interactions.page_url = repeat_clicks.page_url
where
    interactions.event_count is null
    or repeat_clicks.event_count is null
    or interactions.event_count != repeat_clicks.event_count
