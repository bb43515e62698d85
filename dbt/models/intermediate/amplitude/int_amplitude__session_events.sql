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

-- one row per event of a session, with its place in it by the client's clock
placed as (
    select
        events.project_event_id,
        events.project_id,
        events.user_id,
        events.session_id,
        events.event_type,
        events.element,
        events.page_domain,
        events.page_path,
        events.page_url,
        events.event_type = '[Amplitude] Page Viewed' as is_page_view,
        events.occurred_date,
        events.event_date,
        events.occurred_at,
        coalesce(events.client_occurred_at, events.occurred_at) as happened_at,
        row_number() over (
            partition by events.session_id
            order by {{ order_key(
                "events.client_occurred_at, events.occurred_at", "events.event_id"
            ) }}
        ) as session_event_number
    from events
),

-- one row per event, with the page it happened on; an entry or bounce uses the page as
-- exported
located as (
    select
        * exclude (element, page_domain, page_path, page_url),
        {{ masked("element") }} as element,
        {{ masked(page_host()) }} as page_domain,
        {{ masked(page_path_on_host()) }} as page_path,
        case when is_page_view then {{ page_key() }} end as page_key
    from placed
),

-- one row per event, with the pages viewed until then and when the next one was
paged as (
    select
        *,
        count_if(is_page_view) over (
            partition by session_id
            order by session_event_number
            rows between unbounded preceding and current row
        ) as page_number,
        count_if(is_page_view) over (partition by session_id) as page_view_count,
        coalesce(
            min(page_key) over (partition by session_id)
            = max(page_key) over (partition by session_id),
            false
        ) as is_bounced,
        min(case when is_page_view then happened_at end) over (
            partition by session_id
            order by session_event_number
            rows between 1 following and unbounded following
        ) as next_page_at,
        min(happened_at) over (partition by session_id) as started_at,
        max(happened_at) over (partition by session_id) as ended_at
    from located
),

final as (
    select
        project_event_id,
        project_id,
        user_id,
        session_id,
        event_type,
        element,
        page_domain,
        page_path,
        session_event_number,
        case when is_page_view then page_number end as page_view_number,
        case when is_page_view then page_view_count end as page_view_count,
        is_bounced,
        case
            when is_page_view and not {{ is_overlong("started_at", "ended_at") }}
                then
                    datediff(
                        'microsecond', happened_at, coalesce(next_page_at, ended_at)
                    ) / 1000000.0
        end as page_seconds,
        occurred_date,
        event_date,
        occurred_at,
        happened_at
    from paged
)

select * from final
