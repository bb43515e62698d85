-- A returned row is an event that is staged and not in the mart, or the other way
-- round.
select
    staged.project_event_id as staged_event_id,
    events.project_event_id
from {{ ref("stg_amplitude__events") }} as staged
full outer join {{ ref("amplitude__events") }} as events
    on staged.project_event_id = events.project_event_id
where staged.project_event_id is null or events.project_event_id is null
