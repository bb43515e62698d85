{% set use_merges = variable("use_merges") %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="identity_id",
    )
}}

with

user_devices as (
    select * from {{ ref("stg_amplitude__user_devices") }}
),

{% if use_merges -%}
merges as (
    select * from {{ ref("stg_amplitude__merges") }}
),

{%- endif %}

{% if is_incremental() and not use_merges -%}
-- one row per device with new sightings
affected_devices as (
    select distinct project_device_id
    from user_devices
    where batch_number > {{ watermark() }}
),

-- one row per amplitude id that was ever seen on one of them
judged_ids as (
    select distinct
        user_devices.project_id,
        user_devices.amplitude_id
    from user_devices
    inner join affected_devices
        on user_devices.project_device_id = affected_devices.project_device_id
),

-- one row per device that one of these was ever seen on
their_devices as (
    select distinct user_devices.project_device_id
    from user_devices
    inner join judged_ids
        on
            user_devices.project_id = judged_ids.project_id
            and user_devices.amplitude_id = judged_ids.amplitude_id
),

evidence as (
    select user_devices.*
    from user_devices
    inner join their_devices
        on user_devices.project_device_id = their_devices.project_device_id
),

{%- else -%}
judged_ids as (
    select distinct
        project_id,
        amplitude_id
    from user_devices
),

evidence as (
    select * from user_devices
),

{%- endif %}

-- one row per amplitude id and device, with the id it was merged into
merged as (
    select
        evidence.*,
        {{ "coalesce(merges.user_id, evidence.amplitude_id)" if use_merges
            else "evidence.amplitude_id" }} as merged_user_id
    from evidence
    {% if use_merges -%}
        left join merges
            on
                evidence.project_id = merges.project_id
                and evidence.amplitude_id = merges.amplitude_id
    {%- endif %}
),

-- one row per user who never had a user id
anonymous as (
    select
        project_id,
        merged_user_id
    from merged
    group by 1, 2
    having max(last_identified_at) is null
),

-- one row per user and device: merged ids are one user
used_devices as (
    select
        project_id,
        merged_user_id,
        device_id,
        min(first_seen_at) as first_seen_at,
        min(first_identified_at) as first_identified_at,
        max(last_identified_at) as last_identified_at
    from merged
    group by 1, 2, 3
),

-- one row per anonymous user: of those identified on a device at a later time, the
-- first is who it was all along
stitched as (
    select
        anonymous.project_id,
        anonymous.merged_user_id,
        known_user.merged_user_id as user_id
    from anonymous
    inner join used_devices
        on
            anonymous.project_id = used_devices.project_id
            and anonymous.merged_user_id = used_devices.merged_user_id
    inner join used_devices as known_user
        on
            used_devices.project_id = known_user.project_id
            and used_devices.device_id = known_user.device_id
            and used_devices.first_seen_at <= known_user.last_identified_at
    where {{ "true" if var("stitch_anonymous_users") else "false" }}
    qualify
        row_number() over (
            partition by anonymous.project_id, anonymous.merged_user_id
            order by
                greatest(used_devices.first_seen_at, known_user.first_identified_at),
                known_user.first_identified_at,
                known_user.merged_user_id
        ) = 1
),

-- one row per amplitude id, with whose it is
assigned as (
    select distinct
        merged.project_id,
        merged.amplitude_id,
        coalesce(stitched.user_id, merged.merged_user_id) as user_id,
        case
            when stitched.user_id is not null then 'stitched'
            when merged.merged_user_id != merged.amplitude_id then 'merged'
            else 'own'
        end as reason
    from merged
    left join stitched
        on
            merged.project_id = stitched.project_id
            and merged.merged_user_id = stitched.merged_user_id
    inner join judged_ids
        on
            merged.project_id = judged_ids.project_id
            and merged.amplitude_id = judged_ids.amplitude_id
),

{% if is_incremental() -%}
known as (
    select * from {{ this }}
),

-- one row per amplitude id that has changed hands
changed as (
    select
        assigned.*,
        coalesce(known.assignment_number, 0) + 1 as assignment_number
    from assigned
    left join known
        on
            assigned.project_id = known.project_id
            and assigned.amplitude_id = known.amplitude_id
            and known.is_current
    where
        assigned.user_id != coalesce(known.user_id, assigned.amplitude_id)
        or assigned.reason != coalesce(known.reason, 'own')
),

-- one row per time that such an id was assigned
assignments as (
    select
        changed.*,
        true as is_current,
        {{ batch_number() }} as batch_number
    from changed
    union all
    select
        known.project_id,
        known.amplitude_id,
        known.user_id,
        known.reason,
        known.assignment_number,
        false as is_current,
        known.batch_number
    from known
    inner join changed
        on
            known.project_id = changed.project_id
            and known.amplitude_id = changed.amplitude_id
),

{%- else -%}
assignments as (
    select
        *,
        1 as assignment_number,
        true as is_current,
        {{ batch_number() }} as batch_number
    from assigned
    where user_id != amplitude_id
),

{%- endif %}

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["project_id", "amplitude_id", "assignment_number"]
        ) }} as identity_id,
        *
    from assignments
)

select * from final
