{% set affected_activity = ref("int_amplitude__affected_activity") %}
{% set session_hours = ref("int_amplitude__session_hours") %}

{{
    config(
        materialized="amplitude_incremental",
        incremental_strategy="replace",
        unique_key="session_id",
        meta={"affected": "int_amplitude__affected_activity"},
    )
}}

with

events as (
    select * from {{ ref("stg_amplitude__events") }}
    where
        is_counted
        and amplitude_session_id is not null
    {% if is_incremental() -%}
        and {{ is_of_affected_session(affected_activity, session_hours) }}
    {%- endif %}
),

-- one row per event of a session
actions as (
    select
        events.project_event_id,
        events.project_id,
        events.user_id,
        events.amplitude_session_id,
        events.event_type,
        events.element,
        events.page_url,
        events.occurred_at
    from events
),

-- one row per interaction that happened more than twice
interactions as (
    select
        project_id,
        user_id,
        amplitude_session_id,
        event_type,
        element,
        page_url,
        count(*) as interaction_event_count
    from actions
    group by 1, 2, 3, 4, 5, 6
    having count(*) > 2
),

identified as (
    select
        {{ session_id() }} as session_id,
        *
    from interactions
),

keyed as (
    select
        {{ dbt_utils.generate_surrogate_key(
            ["session_id", "md5(event_type)", "md5(element)", "md5(page_url)"]
        ) }} as interaction_id,
        *
    from identified
),

-- one row per event of such an interaction
final as (
    select
        actions.project_event_id,
        keyed.project_id,
        keyed.user_id,
        keyed.session_id,
        keyed.event_type,
        keyed.element,
        keyed.page_url,
        actions.occurred_at,
        keyed.interaction_id,
        keyed.interaction_event_count,
        row_number() over (
            partition by keyed.interaction_id
            order by actions.occurred_at, actions.project_event_id
        ) as interaction_event_number,
        datediff(
            'microsecond',
            lag(actions.occurred_at) over (
                partition by keyed.interaction_id
                order by actions.occurred_at, actions.project_event_id
            ),
            actions.occurred_at
        ) / 1000000.0 as gap_seconds
    from actions
    inner join keyed
        on
            actions.project_id = keyed.project_id
            and actions.user_id = keyed.user_id
            and actions.amplitude_session_id = keyed.amplitude_session_id
            and actions.event_type is not distinct from keyed.event_type
            and actions.element is not distinct from keyed.element
            and actions.page_url is not distinct from keyed.page_url
)

select * from final
