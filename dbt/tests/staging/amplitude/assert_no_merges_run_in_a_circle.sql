-- A returned row is an amplitude id whose merges form a circle: no id is the one it was
-- merged into in the end, so it stays a user of its own.
{{ config(enabled=variable("use_merges"), severity="warn") }}

select
    project_id,
    amplitude_id
from {{ ref("stg_amplitude__merges") }}
where is_circular
