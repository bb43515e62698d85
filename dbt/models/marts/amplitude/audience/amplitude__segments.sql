{% set properties = ["platform", "country", "app_version"] %}
{% set most_values = 20 %}

with

periods as (
    select * from {{ ref("amplitude__periods") }}
),

active_periods as (
    select * from {{ ref("int_amplitude__active_periods") }}
),

session_segments as (
    select * from {{ ref("int_amplitude__session_segments") }}
),

identities as (
    select * from {{ ref("stg_amplitude__identities") }}
    where is_current
),

sessions as (
    select * from {{ ref("amplitude__sessions") }}
    where started_date is not null
),

users as (
    select * from {{ ref("amplitude__users") }}
),

calendars as (
    select * from {{ ref("int_amplitude__calendars") }}
),

-- one row per user, day and combination of properties
activity as (
    select
        session_segments.*,
        coalesce(identities.user_id, session_segments.unmerged_user_id) as user_id
    from session_segments
    left join identities
        on
            session_segments.project_id = identities.project_id
            and session_segments.unmerged_user_id = identities.amplitude_id
    where coalesce(identities.user_id, session_segments.unmerged_user_id) is not null
),

-- one row per user, day and value of each property
days as (
    {% for property in properties -%}
    select
        activity.project_id,
        activity.user_id,
        activity.event_date,
        '{{ property }}' as segment,
        coalesce(activity.{{ property }}, '(none)') as segment_value,
        sum(activity.event_count)::bigint as event_count
    from activity
    group by 1, 2, 3, 4, 5
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per value that is shown; the others are taken together
shown as (
    select
        project_id,
        segment,
        segment_value
    from days
    group by 1, 2, 3
    qualify
        row_number() over (
            partition by project_id, segment
            order by count(distinct user_id) desc nulls last, segment_value asc
        ) <= {{ most_values }}
),

-- one row per session and value of each property, at the session's first event
starts as (
    {% for property in properties -%}
    select
        sessions.project_id,
        sessions.user_id,
        sessions.started_date,
        '{{ property }}' as segment,
        coalesce(sessions.{{ property }}, '(none)') as segment_value
    from sessions
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per user's period and value, with events; and one per session and period
measures as (
    {% for period in ["day", "week", "month"] -%}
    select
        days.project_id,
        '{{ period }}' as period,
        {{ calendar_date(period, "days.event_date") }} as period_started_date,
        days.segment,
        coalesce(shown.segment_value, '(other)') as segment_value,
        days.user_id as active_user_id,
        days.event_count,
        0 as session_count
    from days
    inner join calendars on days.project_id = calendars.project_id
    left join shown
        on
            days.project_id = shown.project_id
            and days.segment = shown.segment
            and days.segment_value = shown.segment_value
    union all
    select
        starts.project_id,
        '{{ period }}' as period,
        {{ calendar_date(period, "starts.started_date") }} as period_started_date,
        starts.segment,
        coalesce(shown.segment_value, '(other)') as segment_value,
        null as active_user_id,
        0 as event_count,
        1 as session_count
    from starts
    inner join calendars on starts.project_id = calendars.project_id
    left join shown
        on
            starts.project_id = shown.project_id
            and starts.segment = shown.segment
            and starts.segment_value = shown.segment_value
    union all
    -- of all users, and of new and returning ones
    {% for segment in ["all", "user_type"] -%}
    select
        sessions.project_id,
        '{{ period }}' as period,
        {{ calendar_date(period, "sessions.started_date") }} as period_started_date,
        '{{ segment }}' as segment,
        {% if segment == "all" -%}
        'all' as segment_value,
        {%- else -%}
        case
            when
                users.first_seen_date is not null
                and {{ calendar_date(period, "users.first_seen_date") }}
                >= {{ calendar_date(period, "sessions.started_date") }}
                then 'new'
            else 'returning'
        end as segment_value,
        {%- endif %}
        null as active_user_id,
        0 as event_count,
        1 as session_count
    from sessions
    inner join calendars on sessions.project_id = calendars.project_id
    inner join users
        on
            sessions.project_id = users.project_id
            and sessions.user_id = users.user_id
    union all
    select
        active_periods.project_id,
        active_periods.period,
        active_periods.calendar_date as period_started_date,
        '{{ segment }}' as segment,
        {% if segment == "all" -%}
        'all' as segment_value,
        {%- else -%}
        case
            when
                users.first_seen_date is not null
                and {{ calendar_date(period, "users.first_seen_date") }}
                >= active_periods.calendar_date
                then 'new'
            else 'returning'
        end as segment_value,
        {%- endif %}
        active_periods.user_id as active_user_id,
        active_periods.event_count,
        0 as session_count
    from active_periods
    inner join calendars on active_periods.project_id = calendars.project_id
    inner join users
        on
            active_periods.project_id = users.project_id
            and active_periods.user_id = users.user_id
    where active_periods.period = '{{ period }}'
    {{ "union all" if not loop.last }}
    {% endfor -%}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per period, segment and value
counts as (
    select
        project_id,
        period,
        period_started_date,
        segment,
        segment_value,
        count(distinct active_user_id) as active_user_count,
        sum(event_count)::bigint as event_count,
        sum(session_count)::bigint as session_count
    from measures
    group by 1, 2, 3, 4, 5
),

-- one row per period
totals as (
    select * from counts
    where segment = 'all'
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [
                "counts.project_id",
                "counts.period",
                "counts.period_started_date",
                "counts.segment",
                "md5(counts.segment_value)",
            ]
        ) }} as segment_id,
        counts.project_id,
        counts.period,
        counts.period_started_date,
        counts.segment,
        counts.segment_value,
        counts.active_user_count,
        counts.event_count,
        counts.session_count,
        counts.active_user_count
        / nullif(totals.active_user_count, 0)::double as active_user_rate,
        periods.is_before_calendar,
        periods.is_complete
    from counts
    inner join periods
        on
            counts.project_id = periods.project_id
            and counts.period = periods.period
            and counts.period_started_date = periods.period_started_date
    inner join totals
        on
            counts.project_id = totals.project_id
            and counts.period = totals.period
            and counts.period_started_date = totals.period_started_date
)

select * from final
