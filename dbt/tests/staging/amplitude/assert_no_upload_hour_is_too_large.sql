-- A returned row is an upload hour that the Export API could not deliver: its events
-- are missing. Once they were had otherwise, `too_large_hours_accepted` lists it.
select
    upload_hour_id,
    exported_at
from {{ ref("stg_amplitude__upload_hours") }}
where
    status = 'too_large'
    and upload_hour_id not in (
        ''
        {%- for hour in variable("too_large_hours_accepted") %}
            , '{{ hour }}'
        {%- endfor %}
    )
