{{ config(enabled=variable("use_merges"), materialized="view") }}

with

merges as (
    select * from {{ source("amplitude", "merges") }}
),

-- one row per merge
typed as (
    select distinct
        merged_amplitude_id::varchar as merged_amplitude_id,
        amplitude_id::varchar as amplitude_id,
        merge_event_time::timestamp as merge_occurred_at,
        merge_server_time::timestamp as merged_at
    from merges
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["merged_amplitude_id", "amplitude_id", "merge_occurred_at", "merged_at"]
        ) }} as merge_id,
        *
    from typed
)

select * from final
