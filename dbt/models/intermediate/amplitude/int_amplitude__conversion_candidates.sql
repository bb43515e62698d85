{% set affected_session_days = ref("stg_amplitude__affected_session_days") %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="session_day_id",
        meta={"affected": "stg_amplitude__affected_session_days"},
    )
}}

with

events as (
    select * from {{ ref("stg_amplitude__events") }}
    {% if is_incremental() -%}
        where {{ is_of_affected_session_day(affected_session_days) }}
    {%- endif %}
),

-- one row per event, with what it earned and the steps of funnels that it is
described as (
    select
        session_day_id,
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
        is_counted,
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
