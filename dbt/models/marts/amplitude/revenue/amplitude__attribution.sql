{% set sources = [
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "referring_domain",
    "click_id_parameter",
] %}

with

sessions as (
    select * from {{ ref("amplitude__sessions") }}
),

users as (
    select * from {{ ref("amplitude__users") }}
),

key_events as (
    select * from {{ ref("int_amplitude__conversion_events") }}
    where revenue is not null and user_id is not null
),

channel_click_ids as (
    select * from {{ ref("channel_click_ids") }}
),

channel_sources as (
    select
        source,
        category,
        includes_subdomains
    from {{ ref("channel_sources") }}
    {{ added_channel_sources() }}
),

channel_rules as (
    select
        rule_number,
        channel,
        category,
        medium,
        campaign
    from {{ ref("channel_rules") }}
    {{ added_channel_rules() }}
),

-- one row per session that came from somewhere: a touch
touches as (
    select
        session_id,
        project_id,
        user_id,
        {{ sources | join(", ") }},
        first_occurred_at as started_at,
        {{ order_key("first_occurred_at", "session_id") }} as touch_key
    from sessions
    where
        coalesce({{ sources | join(", ") }}) is not null
        and first_occurred_at is not null
),

-- one row per thing that is credited: a session, a first event, one that earns
results as (
    select
        'session' as kind,
        session_id as result_id,
        project_id,
        user_id,
        {{ reporting_date("first_occurred_at") }} as attributed_date,
        first_occurred_at as occurred_at,
        null::double as revenue
    from sessions
    union all
    select
        'new_user' as kind,
        project_user_id as result_id,
        project_id,
        user_id,
        first_seen_date as attributed_date,
        first_seen_at as occurred_at,
        null::double as revenue
    from users
    union all
    select
        'revenue' as kind,
        key_events.project_event_id as result_id,
        key_events.project_id,
        key_events.user_id,
        key_events.event_date as attributed_date,
        key_events.occurred_at,
        key_events.revenue
    from key_events
),

-- one row per result, with the first and the last touch in the days before it
credited_touches as (
    select
        results.kind,
        results.result_id,
        results.project_id,
        results.user_id,
        results.attributed_date,
        results.revenue,
        min_by({{ to_object(sources) }}, touches.touch_key) as first_touch,
        max_by({{ to_object(sources) }}, touches.touch_key) as last_touch
    from results
    left join touches
        on
            results.project_id = touches.project_id
            and results.user_id = touches.user_id
            and results.occurred_at >= touches.started_at
            and datediff('second', touches.started_at, results.occurred_at)
            <= 86400 * {{ var("attribution_window_days") }}
    group by 1, 2, 3, 4, 5, 6
),

-- one row per result and way of crediting
credited as (
    {% for touch in ["first", "last"] -%}
    select
        kind,
        project_id,
        user_id,
        attributed_date,
        revenue,
        '{{ touch }}' as touch,
        {{ columns_of(touch ~ "_touch", sources) }}
    from credited_touches
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per day, way of crediting and source
counted as (
    select
        project_id,
        attributed_date,
        touch,
        {{ sources | join(", ") }},
        {{ dbt_utils.generate_surrogate_key(
            [
                "md5(utm_source)",
                "md5(utm_medium)",
                "md5(utm_campaign)",
                "md5(referring_domain)",
                "md5(click_id_parameter)",
            ]
        ) }} as source_id,
        count_if(kind = 'session') as session_count,
        count_if(kind = 'new_user') as new_user_count,
        count(distinct case when kind = 'revenue' then user_id end)
            as paying_user_count,
        count_if(kind = 'revenue') as revenue_event_count,
        coalesce(sum(revenue::decimal(28, 9)), 0)::double as revenue
    from credited
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
),

-- one row per source; what its campaign leaves out is known by the click id or the site
told_sources as (
    select distinct
        counted.source_id,
        counted.referring_domain is not null as has_site,
        coalesce(
            counted.utm_source,
            counted.utm_medium,
            counted.utm_campaign,
            counted.click_id_parameter
        ) is not null as has_campaign,
        regexp_replace(
            lower(
                trim(
                    coalesce(
                        counted.utm_source,
                        channel_click_ids.source,
                        counted.referring_domain
                    )
                )
            ),
            '^www[.]',
            ''
        ) as told_source,
        lower(trim(coalesce(counted.utm_medium, channel_click_ids.medium, '(not set)')))
            as medium,
        lower(coalesce(counted.utm_campaign, '')) as campaign
    from counted
    left join channel_click_ids
        on counted.click_id_parameter = channel_click_ids.parameter
),

-- one row per source and name that it may be known by: its own, and if it is a host
-- those of the domains that it is in
names as (
    {% for parent_number in range(8) -%}
    select distinct
        told_source,
        {{ parent_number }} as parent_number,
        regexp_replace(told_source, '^([^.]*[.]){{ "{" ~ parent_number ~ "}" }}', '')
            as source_name
    from told_sources
    where told_source is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- the same, and once more for any country
all_names as (
    select
        told_source,
        parent_number,
        source_name
    from names
    union all
    select
        told_source,
        parent_number,
        regexp_replace(source_name, '[.](com?[.][a-z]{2}|com?|[a-z]{2})$', '.*')
            as source_name
    from names
),

-- one row per source that is known
categories as (
    select
        all_names.told_source,
        channel_sources.category
    from all_names
    inner join channel_sources
        on
            all_names.source_name = channel_sources.source
            and (all_names.parent_number = 0 or channel_sources.includes_subdomains)
    qualify
        row_number() over (
            partition by all_names.told_source
            order by all_names.parent_number asc, all_names.source_name desc nulls last
        ) = 1
),

mediums as (
    select distinct medium
    from told_sources
),

-- one row per medium and rule that it fits
medium_rules as (
    select
        mediums.medium as told_medium,
        channel_rules.*
    from mediums
    inner join channel_rules
        on
            case
                when channel_rules.medium is null then true
                else {{ matches_whole("mediums.medium", "channel_rules.medium") }}
            end
),

-- one row per source, with its channel
channels as (
    select
        told_sources.source_id,
        coalesce(
            medium_rules.channel,
            case
                when told_sources.has_campaign then 'Unassigned'
                when told_sources.has_site then 'Referral'
                else 'Direct'
            end
        ) as channel
    from told_sources
    left join categories on told_sources.told_source = categories.told_source
    left join medium_rules
        on
            told_sources.medium = medium_rules.told_medium
            and (
                medium_rules.category is null
                or categories.category = medium_rules.category
            )
            and case
                when medium_rules.campaign is null then true
                else {{ matches_whole(
                    "told_sources.campaign", "medium_rules.campaign"
                ) }}
            end
    qualify
        row_number() over (
            partition by told_sources.source_id order by medium_rules.rule_number
        ) = 1
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [
                "counted.project_id",
                "counted.attributed_date",
                "counted.touch",
                "counted.source_id",
            ]
        ) }} as attribution_id,
        counted.project_id,
        counted.touch,
        channels.channel,
        {% for source in sources -%}
        counted.{{ source }},
        {% endfor -%}
        counted.session_count,
        counted.new_user_count,
        counted.paying_user_count,
        counted.revenue_event_count,
        counted.revenue,
        counted.attributed_date
    from counted
    inner join channels on counted.source_id = channels.source_id
)

select * from final
