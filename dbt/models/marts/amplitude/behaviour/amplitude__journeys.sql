{% set shown_steps = 4 %}

{% set affected_activity = ref("int_amplitude__affected_activity") %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="session_id",
        meta={"affected": "int_amplitude__affected_activity"},
    )
}}

with

session_events as (
    select * from {{ ref("int_amplitude__session_events") }}
),

{% if is_incremental() -%}
affected as (
    select * from {{ affected_activity }}
    where batch_number > {{ watermark() }}
),

{%- endif %}

-- one row per event, and whether its type differs from the one before
compared as (
    select
        session_events.*,
        coalesce(session_events.event_type, '(none)') as step,
        coalesce(
            coalesce(session_events.event_type, '(none)')
            != lag(coalesce(session_events.event_type, '(none)')) over (
                partition by session_events.session_id
                order by session_events.session_event_number
            ),
            true
        ) as is_change
    from session_events
    {% if is_incremental() -%}
        where session_events.session_id in (select session_id from affected)
    {%- endif %}
),

-- one row per event, with the step of the journey that it is part of
numbered as (
    select
        *,
        count_if(is_change) over (
            partition by session_id
            order by session_event_number
            rows between unbounded preceding and current row
        ) as step_number
    from compared
),

-- one row per step
steps as (
    select
        session_id,
        project_id,
        user_id,
        step_number,
        step,
        count(*) as event_count,
        min(happened_at) as started_at,
        max(happened_at) as ended_at
    from numbered
    group by 1, 2, 3, 4, 5
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(["session_id", "step_number"]) }}
            as journey_id,
        project_id,
        {{ project_user_id() }} as project_user_id,
        session_id,
        step_number,
        step as event_type,
        event_count,
        row_number() over (
            partition by session_id, step order by step_number
        ) as occurrence_number,
        step
        {%- for number in range(1, shown_steps) %}
        || coalesce(
            ' → ' || lead(step, {{ number }}) over (
                partition by session_id order by step_number
            ),
            ''
        )
        {%- endfor %} as path_from,
        {% for number in range(shown_steps - 1, 0, -1) -%}
        coalesce(
            lag(step, {{ number }}) over (
                partition by session_id order by step_number
            ) || ' → ',
            ''
        )
        || {% endfor -%}
        step as path_to,
        lead(step) over (
            partition by session_id order by step_number
        ) is null as is_last,
        datediff(
            'microsecond',
            ended_at,
            lead(started_at) over (partition by session_id order by step_number)
        ) / 1000000.0 as seconds_to_next,
        {{ reporting_date("started_at") }} as started_date,
        started_at
    from steps
)

select * from final
