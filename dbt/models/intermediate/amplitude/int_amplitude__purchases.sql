{#- Amplitude's events of one purchase; the first of these that was sent counts. -#}
{% set revenue_events = ["verified_revenue", "unverified_revenue", "revenue_amount"] %}
{% set seconds_apart = 1 %}

with

marked_events as (
    select * from {{ ref("int_amplitude__conversion_candidates") }}
    where exported_revenue is not null
),

-- one row per event with revenue, with its rank among the events of a purchase; any
-- other event is a separate purchase
ranked as (
    select
        *,
        exported_revenue::decimal(28, 9) as amount,
        case event_type
            {% for event_type in revenue_events -%}
            when '{{ event_type }}' then {{ loop.index }}
            {% endfor -%}
        end as event_rank
    from marked_events
),

-- one row per event, with what the events of one purchase share
keyed as (
    select
        *,
        {{ dbt_utils.generate_surrogate_key(
            [
                "project_id",
                "is_bot",
                "is_internal",
                "md5(coalesce('device:' || device_id, 'user:' || unmerged_user_id))",
                "md5(product_id)",
                "case when event_rank is null then md5(project_event_id) end",
            ]
        ) }} as offer_id
    from ranked
),

-- one row per event, and whether it came right after another of the offer
spaced as (
    select
        *,
        coalesce(
            datediff(
                'microsecond',
                lag(happened_at) over (
                    partition by offer_id order by happened_at, project_event_id
                ),
                happened_at
            ) <= {{ seconds_apart * 1000000 }},
            false
        ) as is_close
    from keyed
),

-- one row per event, with the moment that it shares with those
timed as (
    select
        *,
        count_if(not is_close) over (
            partition by offer_id
            order by happened_at, project_event_id
            rows between unbounded preceding and current row
        ) as moment_number
    from spaced
),

-- one row per event, and whether an event of a better rank has the same amount
compared as (
    select
        *,
        row_number() over (
            partition by offer_id, moment_number, amount, event_type
            order by happened_at, project_event_id
        ) < rank() over (
            partition by offer_id, moment_number, amount order by event_rank
        ) as has_equal
    from timed
),

-- one row per event, with its purchase among those of the moment: the first events of
-- each kind are one purchase, the second ones another
numbered as (
    select
        *,
        row_number() over (
            partition by offer_id, moment_number, event_type
            order by has_equal desc nulls last, happened_at asc, project_event_id asc
        ) as purchase_number
    from compared
),

final as (
    select
        project_event_id,
        project_id,
        unmerged_user_id,
        device_id,
        event_type,
        product_id,
        count(*) over (
            partition by offer_id, moment_number, purchase_number
        ) as event_count,
        exported_revenue as revenue,
        is_bot,
        is_internal,
        is_counted,
        event_date,
        occurred_at,
        happened_at
    from numbered
    qualify
        row_number() over (
            partition by offer_id, moment_number, purchase_number order by event_rank
        ) = 1
)

select * from final
