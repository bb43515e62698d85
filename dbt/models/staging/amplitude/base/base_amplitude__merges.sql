{{ config(enabled=variable("use_merges"), materialized="amplitude_view") }}

{#- Amplitude's share in Snowflake has a table for each project, without this column. -#}
{% set columns = (
    adapter.get_columns_in_relation(source("amplitude", "merges"))
    | map(attribute="name") | map("lower") | list
) %}

with

merges as (
    select * from {{ source("amplitude", "merges") }}
),

-- one row per merge
typed as (
    select distinct
        {{ "project_id" if "project_id" in columns else "null" }}::varchar as project_id,
        merged_amplitude_id::varchar as merged_amplitude_id,
        amplitude_id::varchar as amplitude_id,
        cast(merge_event_time as {{ timestamp_type() }}) as merge_occurred_at,
        cast(merge_server_time as {{ timestamp_type() }}) as merged_at
    from merges
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key([
            "project_id",
            "merged_amplitude_id",
            "amplitude_id",
            time_text("merge_occurred_at"),
            time_text("merged_at"),
        ]) }} as merge_id,
        *
    from typed
)

select * from final
