{{
    config(
        materialized="incremental",
        incremental_strategy="replace",
        unique_key="session_day_id",
        meta={"touched": "stg_amplitude__changes"},
    )
}}

with

events as (
    select * from {{ ref("stg_amplitude__events") }}
    where {{ of_changed_days() }}
),

-- one row per event, with what it earned and the steps of funnels that it is
described as (
    select
        {{ session_day_id() }} as session_day_id,
        project_event_id,
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        device_id,
        event_type,
        product_id,
        ''
        {%- for funnel, definition in variable("funnels").items() %}
        {%- for step in definition.steps %}
        || case
            when {{ is_funnel_step(step) }}
                then {{ literal("|" ~ funnel ~ ":" ~ loop.index ~ "|") }}
            else ''
        end
        {%- endfor %}
        {%- endfor %} as funnel_steps,
        {{ exported_revenue() }} as exported_revenue,
        is_bot,
        is_internal,
        event_date,
        occurred_at,
        coalesce(client_occurred_at, occurred_at) as happened_at
    from events
),

final as (
    select * from described
    where exported_revenue is not null or funnel_steps != ''
)

select * from final
