{#- Each segment with the value of an event's or a session's row. Whether a user is new
    depends on the period, and is decided there. -#}
{% set segments = {
    "platform": "coalesce(platform, '(none)')",
    "country": "coalesce(country, '(none)')",
    "app_version": "coalesce(app_version, '(none)')",
    "user_type": "'returning'",
    "all": "'all'",
} %}
{% set most_values = 20 %}

with

periods as (
    select * from {{ ref("amplitude__periods") }}
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

-- one row per session, day, user and combination of properties
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

-- one row per user, day, segment and value with events; and one with sessions, by the
-- value at their first event
days as (
    {% for segment, value in segments.items() -%}
    select
        project_id,
        user_id,
        event_date as segment_date,
        '{{ segment }}' as segment,
        {{ value }} as segment_value,
        sum(event_count)::bigint as event_count,
        0 as session_count
    from activity
    group by 1, 2, 3, 4, 5
    union all
    select
        project_id,
        user_id,
        started_date as segment_date,
        '{{ segment }}' as segment,
        {{ value }} as segment_value,
        0 as event_count,
        count(*) as session_count
    from sessions
    group by 1, 2, 3, 4, 5
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per value
segment_values as (
    select
        project_id,
        segment,
        segment_value,
        count(distinct case when event_count > 0 then user_id end) as user_count
    from days
    group by 1, 2, 3
),

-- one row per value that is shown; the others are taken together
shown as (
    select * from segment_values
    qualify
        row_number() over (
            partition by project_id, segment
            order by user_count desc nulls last, segment_value asc
        ) <= {{ most_values }}
),

-- the same as days, with each period that the day is in
measures as (
    {% for period in ["day", "week", "month"] -%}
    select
        days.project_id,
        days.user_id,
        '{{ period }}' as period,
        {{ calendar_date(period, "days.segment_date") }} as period_started_date,
        days.segment,
        case
            when
                days.segment = 'user_type'
                and users.first_seen_date is not null
                and {{ calendar_date(period, "users.first_seen_date") }}
                >= {{ calendar_date(period, "days.segment_date") }}
                then 'new'
            else coalesce(shown.segment_value, '(other)')
        end as segment_value,
        days.event_count,
        days.session_count
    from days
    inner join calendars on days.project_id = calendars.project_id
    inner join users
        on
            days.project_id = users.project_id
            and days.user_id = users.user_id
    left join shown
        on
            days.project_id = shown.project_id
            and days.segment = shown.segment
            and days.segment_value = shown.segment_value
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
        count(distinct case when event_count > 0 then user_id end) as active_user_count,
        sum(event_count)::bigint as event_count,
        sum(session_count)::bigint as session_count
    from measures
    group by 1, 2, 3, 4, 5
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
    inner join counts as totals
        on
            counts.project_id = totals.project_id
            and counts.period = totals.period
            and counts.period_started_date = totals.period_started_date
            and totals.segment = 'all'
)

select * from final
