-- A returned row is an upload hour that the Export API could not deliver: its events
-- are missing. Once they are loaded some other way, list the hour in
-- `too_large_hours_accepted`.

{{
    config(
        meta={
            "row": "upload_hour_id",
            "advice": "Load these hours some other way (Amplitude exports to S3 too),"
            ~ " then list them in the variable too_large_hours_accepted",
        },
    )
}}

select
    upload_hour_id,
    exported_at
from {{ ref("stg_amplitude__upload_hours") }}
where status = 'too_large' and not is_settled
