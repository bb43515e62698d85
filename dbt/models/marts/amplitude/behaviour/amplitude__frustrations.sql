{% set signs = {
    "rage_click": "[Amplitude] Rage Click",
    "dead_click": "[Amplitude] Dead Click",
    "error_click": "[Amplitude] Error Click",
    "thrashed_cursor": "[Amplitude] Thrashed Cursor",
    "repeat_click": "[Amplitude] Element Clicked",
} %}

with

session_events as (
    select * from {{ ref("int_amplitude__session_events") }}
    where
        event_type in (
            {% for event_type in signs.values() -%}
            '{{ event_type }}'{{ "," if not loop.last }}
            {% endfor %}
        )
),

repeated_events as (
    select * from {{ ref("int_amplitude__many_click_sessions") }}
    where event_type = '{{ signs["repeat_click"] }}'
),

-- one row per event that shows frustration: those the SDK sends, and clicks that are
-- repeated
signs as (
    select session_events.*
    from session_events
    left join repeated_events
        on session_events.project_event_id = repeated_events.project_event_id
    where
        session_events.event_type != '{{ signs["repeat_click"] }}'
        or repeated_events.project_event_id is not null
),

counted as (
    select
        project_id,
        user_id,
        session_id,
        event_date,
        page_domain,
        page_path,
        element,
        {% for sign, event_type in signs.items() -%}
        count_if(event_type = '{{ event_type }}') as {{ sign }}_count,
        {% endfor -%}
        min(occurred_at) as first_occurred_at
    from signs
    group by 1, 2, 3, 4, 5, 6, 7
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [
                "session_id",
                "event_date",
                "md5(page_domain)",
                "md5(page_path)",
                "md5(element)",
            ]
        ) }} as frustration_id,
        project_id,
        {{ project_user_id() }} as project_user_id,
        session_id,
        page_domain,
        page_path,
        element,
        {% for sign in signs -%}
        {{ sign }}_count,
        {% endfor -%}
        event_date as frustrated_date,
        first_occurred_at
    from counted
)

select * from final
