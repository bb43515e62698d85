{% set funnels = var("funnels") %}
{% set step_counts = funnels.values() | map(attribute="steps") | map("length") | list %}
{% set step_numbers = range(1, ([1] + step_counts) | max + 1) %}

with

key_events as (
    select * from {{ ref("int_amplitude__key_events") }}
    where unmerged_user_id is not null and occurred_at is not null
),

identities as (
    select * from {{ ref("stg_amplitude__identities") }}
    where is_current
),

loaded_ranges as (
    select * from {{ ref("int_amplitude__loaded_ranges") }}
),

-- one row per step of a funnel, as the variable `funnels` has them
steps as (
    {% for funnel, definition in funnels.items() -%}
    {% for step in definition.steps -%}
    select
        '{{ funnel }}' as funnel,
        {{ loop.index }} as step_number,
        '{{ step.name | replace("'", "''") }}' as step,
        '|{{ funnel }}:{{ loop.index }}|' as marker,
        {{ definition.order == "this" }} as is_ordered,
        {{ (definition.window_hours * 3600) | int }} as window_seconds,
        {{ (definition.window_hours / 24) | round(0, "ceil") | int }} as window_days
    union all
    {% endfor -%}
    {% endfor -%}
    select
        null::varchar as funnel,
        null::int as step_number,
        null::varchar as step,
        null::varchar as marker,
        null::boolean as is_ordered,
        null::int as window_seconds,
        null::int as window_days
    where false
),

-- one row per event and step that it is, to the second; what is of the same steps in
-- the same second is one event
occurrences as (
    select distinct
        key_events.project_id,
        coalesce(identities.user_id, key_events.unmerged_user_id) as user_id,
        steps.funnel,
        steps.is_ordered,
        steps.window_seconds,
        steps.step_number,
        date_trunc('second', key_events.occurred_at) as happened_at,
        key_events.funnel_steps
    from key_events
    inner join steps on contains(key_events.funnel_steps, steps.marker)
    left join identities
        on
            key_events.project_id = identities.project_id
            and key_events.unmerged_user_id = identities.amplitude_id
),

-- one row per user's second with a step of the funnel, and the events that are each
-- step
moments as (
    select
        project_id,
        user_id,
        funnel,
        is_ordered,
        window_seconds,
        happened_at,
        {% for number in step_numbers -%}
        min(case when step_number = {{ number }} then funnel_steps end)
            as first_event_{{ number }},
        max(case when step_number = {{ number }} then funnel_steps end)
            as last_event_{{ number }},
        {% endfor -%}
        count(*) as event_count
    from occurrences
    group by 1, 2, 3, 4, 5, 6
),

-- one row per such second, and when each step comes next
followed as (
    select
        {% for number in step_numbers -%}
        min(case when first_event_{{ number }} is not null then happened_at end) over (
            partition by project_id, user_id, funnel
            order by happened_at
            rows between 1 following and unbounded following
        ) as next_{{ number }}_at,
        {% endfor -%}
        *
    from moments
),

-- one row per second that a path may begin in, and when its first step is done
attempts_1 as (
    select
        project_id,
        user_id,
        funnel,
        is_ordered,
        window_seconds,
        happened_at as began_at,
        case when first_event_1 is not null then happened_at else next_1_at end
            as step_1_at
    from followed
    where
        first_event_1 is not null
        or (
            not is_ordered
            and datediff('second', happened_at, next_1_at) <= window_seconds
        )
),

{% for number in step_numbers if number > 1 -%}
{% set previous = number - 1 %}
-- one row per path, and when step {{ number }} comes first: after the one before it,
-- or, if any order will do, after the path began; in the same second only if it is
-- another event
found_{{ number }} as (
    select
        attempts_{{ previous }}.*,
        case
            when followed.first_event_{{ number }} is null
                then followed.next_{{ number }}_at
            when
                followed.is_ordered
                and followed.first_event_{{ number }}
                = followed.last_event_{{ number }}
                and followed.first_event_{{ number }}
                = followed.first_event_{{ previous }}
                and followed.first_event_{{ number }}
                = followed.last_event_{{ previous }}
                then followed.next_{{ number }}_at
            else followed.happened_at
        end as found_at
    from attempts_{{ previous }}
    left join followed
        on
            attempts_{{ previous }}.project_id = followed.project_id
            and attempts_{{ previous }}.user_id = followed.user_id
            and attempts_{{ previous }}.funnel = followed.funnel
            and case
                when attempts_{{ previous }}.is_ordered
                    then attempts_{{ previous }}.step_{{ previous }}_at
                else attempts_{{ previous }}.began_at
            end = followed.happened_at
),

-- one row per path, and when steps 1 to {{ number }} are done, if within the window
attempts_{{ number }} as (
    select
        * exclude (found_at),
        case
            when
                step_{{ previous }}_at is null
                or datediff('second', began_at, found_at) > window_seconds
                then null
            when found_at < step_{{ previous }}_at then step_{{ previous }}_at
            else found_at
        end as step_{{ number }}_at
    from found_{{ number }}
),

{% endfor -%}
-- one row per user, funnel and day: the path that goes furthest, of these the earliest
paths as (
    select
        *,
        {{ reporting_date("step_1_at") }} as entered_date
    from attempts_{{ step_numbers[-1] }}
    qualify
        row_number() over (
            partition by project_id, user_id, funnel, {{ reporting_date("step_1_at") }}
            order by
                {% for number in step_numbers -%}
                (step_{{ number }}_at is not null)::int
                {{ "+ " if not loop.last }}
                {%- endfor %} desc,
                step_1_at,
                began_at
        ) = 1
),

-- one row per path and step that it reaches
reached as (
    {% for number in step_numbers -%}
    select
        project_id,
        funnel,
        entered_date,
        {{ number }} as step_number,
        datediff(
            'second', step_{{ [1, number - 1] | max }}_at, step_{{ number }}_at
        ) as step_seconds,
        datediff('second', step_1_at, step_{{ number }}_at) as total_seconds
    from paths
    where step_{{ number }}_at is not null
    {{ "union all" if not loop.last }}
    {% endfor %}
),

counts as (
    select
        project_id,
        funnel,
        entered_date,
        step_number,
        count(*) as user_count,
        median(step_seconds)::double as median_seconds,
        avg(step_seconds)::double as average_seconds,
        median(total_seconds)::double as median_total_seconds
    from reached
    group by 1, 2, 3, 4
),

-- one row per funnel and day on which somebody entered it
entries as (
    select
        project_id,
        funnel,
        entered_date,
        user_count as entered_user_count
    from counts
    where step_number = 1
),

-- one row per step of it, those that nobody reached too
cells as (
    select
        entries.*,
        steps.step_number,
        steps.step,
        steps.window_days,
        coalesce(counts.user_count, 0) as user_count,
        coalesce(
            lag(coalesce(counts.user_count, 0)) over (
                partition by entries.project_id, entries.funnel, entries.entered_date
                order by steps.step_number
            ),
            entries.entered_user_count
        ) as previous_user_count,
        case when steps.step_number > 1 then counts.median_seconds end
            as median_seconds,
        case when steps.step_number > 1 then counts.average_seconds end
            as average_seconds,
        case when steps.step_number > 1 then counts.median_total_seconds end
            as median_total_seconds
    from entries
    inner join steps on entries.funnel = steps.funnel
    left join counts
        on
            entries.project_id = counts.project_id
            and entries.funnel = counts.funnel
            and entries.entered_date = counts.entered_date
            and steps.step_number = counts.step_number
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(
            [
                "cells.project_id",
                "cells.funnel",
                "cells.entered_date",
                "cells.step_number",
            ]
        ) }} as funnel_id,
        cells.project_id,
        cells.funnel,
        cells.step_number,
        cells.step,
        cells.user_count,
        cells.previous_user_count,
        cells.entered_user_count,
        cells.user_count / cells.entered_user_count::double as conversion_rate,
        cells.user_count / nullif(cells.previous_user_count, 0)::double
            as step_conversion_rate,
        cells.median_seconds,
        cells.average_seconds,
        cells.median_total_seconds,
        datediff('day', cells.entered_date, loaded_ranges.last_complete_date)
        >= cells.window_days as is_mature,
        cells.entered_date
    from cells
    inner join loaded_ranges on cells.project_id = loaded_ranges.project_id
)

select * from final
