{{
    config(
        materialized="incremental",
        incremental_strategy="replace",
        unique_key="session_day_id",
        meta={"touched": "stg_amplitude__changes"},
    )
}}

{% set changes = ref("stg_amplitude__changes") %}

with

events as (
    select * from {{ ref("stg_amplitude__events") }}
    where
        {{ counted_traffic() }}
        and {{ on_days("select distinct occurred_date from " ~ changes) }}
),

{% if is_increment() -%}
-- one row per session's day that has changed
changes as (
    select distinct session_day_id
    from {{ changes }}
),

{%- endif %}

-- one row per event, with what it earned and the steps of funnels that it is
described as (
    select
        {{ session_day_id() }} as session_day_id,
        event_id,
        project_id,
        unmerged_user_id,
        amplitude_session_id,
        event_type,
        ''
        {%- for funnel, definition in var("funnels").items() %}
        {%- for step in definition.steps %}
        || case
            when {{ is_funnel_step(step) }} then '|{{ funnel }}:{{ loop.index }}|'
            else ''
        end
        {%- endfor %}
        {%- endfor %} as funnel_steps,
        coalesce(revenue, price * coalesce(quantity, 1)) as revenue,
        event_date,
        occurred_at
    from events
),

final as (
    select described.*
    from described
    {% if is_increment() -%}
        inner join changes on described.session_day_id = changes.session_day_id
    {%- endif %}
    where described.revenue is not null or described.funnel_steps != ''
)

select * from final
