{% set limit_days = var("duplicate_window_days") %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="landed_row_id",
    )
}}

{#- The base model is read by name where a few of its rows are wanted: a common table
    expression that is used more than once would be copied whole. -#}
{% set landed = ref("base_amplitude__events") %}
{% set landed_columns = [
    "landed.landed_row_id",
    "landed.project_id",
    "landed.event_id",
    "landed.device_id",
    "landed.insert_id",
    "landed.uploaded_at",
    "landed.landing_key",
    "landed.is_parsed",
] | join(", ") %}

{#- What is new: rows that have landed, and those of hours that were exported again. -#}
{% set is_new = "landed.batch_number > " ~ watermark() %}
{% set has_news = false %}
{% if execute and is_incremental() %}
    {% set exchanged_files = run_query(
        "select landing_key from " ~ ref("stg_amplitude__landed_files")
        ~ " where hour_export_count > 1 and batch_number > " ~ watermark()
    ).columns[0].values() %}
    {% if exchanged_files %}
        {% set exchanged = " or landed.landing_key " ~ in_or_between(exchanged_files) %}
        {% set is_new = "(" ~ is_new ~ exchanged ~ ")" %}
    {% endif %}
    {% set news = "select 1 from " ~ landed ~ " as landed where " ~ is_new ~ " limit 1" %}
    {% set has_news = run_query(news).rows | length > 0 %}
{% endif %}

with

files as (
    select * from {{ ref("stg_amplitude__landed_files") }}
),

{% if has_news -%}
-- one row per landed row that is new
fresh as (
    select {{ landed_columns }}
    from {{ landed }} as landed
    where {{ is_new }}
),

-- one row per landed row that is one of these, or has the uuid of one
same_uuid as (
    select * from fresh
    union
    select {{ landed_columns }}
    from {{ landed }} as landed
    where
        landed.event_id in (
            select event_id from fresh
            where event_id is not null
        )
),

-- one row per other landed row that has the insert id of one of those
same_insert_id as (
    select {{ landed_columns }}
    from {{ landed }} as landed
    left join same_uuid on landed.landed_row_id = same_uuid.landed_row_id
    where
        landed.insert_id in (
            select insert_id from same_uuid
            where insert_id is not null
        )
        and same_uuid.landed_row_id is null
),

-- which copy of these is the first decides whether another counts; but what the other
-- copies repeat themselves is another matter
other_copies as (
    select {{ landed_columns }}
    from {{ landed }} as landed
    left join same_insert_id on landed.landed_row_id = same_insert_id.landed_row_id
    left join same_uuid on landed.landed_row_id = same_uuid.landed_row_id
    where
        landed.event_id in (
            select event_id from same_insert_id
            where event_id is not null
        )
        and same_insert_id.landed_row_id is null
        and same_uuid.landed_row_id is null
),

compared as (
    select
        *,
        true as is_judged
    from same_uuid
    union all
    select
        *,
        true as is_judged
    from same_insert_id
    union all
    select
        *,
        false as is_judged
    from other_copies
),

{%- else -%}
compared as (
    select
        {{ landed_columns }},
        true as is_judged
    from {{ landed }} as landed
    where {{ not is_incremental() }}
),

{%- endif %}

-- one row per uuid that came more than once, and one per such insert id: of any export,
-- project and device, because these only say where to look
shared_uuids as (
    select event_id from compared
    where event_id is not null
    group by 1
    having count(*) > 1
),

shared_insert_ids as (
    select insert_id from compared
    where insert_id is not null
    group by 1
    having count(*) > 1
),

-- one row per row that may be removed, or that another may repeat
suspects as (
    select
        compared.*,
        coalesce(files.is_current, true) as is_current
    from compared
    left join files on compared.landing_key = files.landing_key
    where
        not compared.is_parsed
        or not coalesce(files.is_current, true)
        or compared.event_id in (select shared_uuids.event_id from shared_uuids)
        or compared.insert_id in (
            select shared_insert_ids.insert_id from shared_insert_ids
        )
),

-- one row per copy of a project's uuid but the first, among the newest exports of their
-- hours
copies as (
    select landed_row_id from suspects
    where is_parsed and is_current and event_id is not null
    qualify
        row_number() over (
            partition by project_id, event_id
            order by uploaded_at, landed_row_id
        ) > 1
),

-- one row per exported event with an insert id
uploaded as (
    select
        suspects.*,
        coalesce(suspects.event_id, suspects.landed_row_id) as known_event_id
    from suspects
    left join copies on suspects.landed_row_id = copies.landed_row_id
    where
        suspects.is_parsed
        and suspects.is_current
        and suspects.insert_id is not null
        and copies.landed_row_id is null
),

-- one row per upload of an insert id by a device, with the one before it
numbered as (
    select
        landed_row_id,
        uploaded_at,
        row_number() over (
            partition by project_id, device_id, insert_id
            order by uploaded_at, known_event_id
        ) as upload_number,
        lag(uploaded_at) over (
            partition by project_id, device_id, insert_id
            order by uploaded_at, known_event_id
        ) as previous_uploaded_at
    from uploaded
),

-- one row per upload that repeats an earlier one
repeats as (
    select landed_row_id from numbered
    where
        upload_number > 1
        and not coalesce(
            datediff('second', previous_uploaded_at, uploaded_at)
            > {{ "null" if limit_days is none else limit_days * 86400 }},
            false
        )
),

-- one row per suspect, with the reason why it is a copy, if so
reasons as (
    select
        suspects.landed_row_id,
        case
            when not suspects.is_current then 'older_export'
            when not suspects.is_parsed then 'not_json'
            when copies.landed_row_id is not null then 'same_uuid'
            when repeats.landed_row_id is not null then 'same_insert_id'
        end as reason
    from suspects
    left join copies on suspects.landed_row_id = copies.landed_row_id
    left join repeats on suspects.landed_row_id = repeats.landed_row_id
    where suspects.is_judged
),

{% if is_incremental() -%}
known as (
    select * from {{ this }}
),

-- one row per row that is removed now and was not, or the other way round
changed as (
    select
        compared.landed_row_id,
        reasons.reason
    from compared
    left join reasons on compared.landed_row_id = reasons.landed_row_id
    left join known on compared.landed_row_id = known.landed_row_id
    where
        compared.is_judged
        and reasons.reason is distinct from known.reason
),

{%- else -%}
changed as (
    select * from reasons
    where reason is not null
),

{%- endif %}

final as (
    select
        changed.landed_row_id,
        changed.reason,
        changed.reason is not null as is_removed,
        landed.project_id,
        landed.unmerged_user_id,
        landed.amplitude_session_id,
        landed.event_type,
        landed.occurred_date,
        landed.occurred_at,
        landed.landing_key,
        {{ batch_number() }} as batch_number
    from changed
    inner join {{ landed }} as landed on changed.landed_row_id = landed.landed_row_id
)

select * from final
