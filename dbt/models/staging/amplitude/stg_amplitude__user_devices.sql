{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="user_device_id",
    )
}}

with

landed as (
    select * from {{ ref("base_amplitude__events") }}
),

-- one row per amplitude id and device that came since the last build
seen as (
    select
        project_id,
        amplitude_id,
        device_id,
        min(coalesce(occurred_at, uploaded_at, '1970-01-01'::timestamp))
            as first_seen_at,
        min(
            case
                when amplitude_user_id is not null
                    then coalesce(occurred_at, uploaded_at, '1970-01-01'::timestamp)
            end
        ) as first_identified_at,
        max(
            case
                when amplitude_user_id is not null
                    then coalesce(occurred_at, uploaded_at, '1970-01-01'::timestamp)
            end
        ) as last_identified_at
    from landed
    where
        amplitude_id is not null
        and {{ "batch_number > " ~ watermark() if is_incremental() else "true" }}
    group by 1, 2, 3
),

keyed as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["project_id", "amplitude_id", "device_id"]
        ) }} as user_device_id,
        {{ dbt_utils.generate_surrogate_key(["project_id", "device_id"]) }}
            as project_device_id,
        *
    from seen
),

{% if is_incremental() -%}
known as (
    select * from {{ this }}
),

-- one row per amplitude id and device, as they were known or have come now
found as (
    select * from keyed
    union all
    select known.* exclude (batch_number)
    from known
    inner join keyed on known.user_device_id = keyed.user_device_id
),

{%- else -%}
found as (
    select * from keyed
),

{%- endif %}

final as (
    select
        user_device_id,
        project_device_id,
        project_id,
        amplitude_id,
        device_id,
        min(first_seen_at) as first_seen_at,
        min(first_identified_at) as first_identified_at,
        max(last_identified_at) as last_identified_at,
        {{ batch_number() }} as batch_number
    from found
    group by 1, 2, 3, 4, 5
)

select * from final
