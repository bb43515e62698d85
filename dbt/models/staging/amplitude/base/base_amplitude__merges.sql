{{ config(enabled=var("use_merges"), materialized="view") }}

with

merges as (
    select * from {{ source("amplitude", "merges") }}
),

final as (
    select
        merged_amplitude_id::varchar as merged_amplitude_id,
        amplitude_id::varchar as amplitude_id,
        merge_event_time::timestamp as merge_occurred_at,
        merge_server_time::timestamp as merged_at
    from merges
)

select * from final
