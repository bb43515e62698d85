-- A returned row is a landed line that is not JSON: it is in no model but the base.
select
    landed_row_id,
    landing_key,
    file_row_number
from {{ ref("base_amplitude__events") }}
where not is_parsed
