-- A returned row is an upload hour that Amplitude now reports as empty although rows of
-- it have landed. These rows still count: if they were deleted at Amplitude on purpose,
-- delete them here too; else export the hour again.
{{
    config(
        severity="warn",
        meta={
            "row": "upload_hour_id",
            "advice": "Amplitude now reports these hours as empty; their rows still count",
        },
    )
}}

select
    upload_hour_id,
    staged_event_count
from {{ ref("amplitude__load_audit") }}
where is_emptied
