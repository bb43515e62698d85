{% set funnels = variable("funnels") %}
{% set step_counts = funnels.values() | map(attribute="steps") | map("length") | list %}
{% set step_numbers = range(1, ([1] + step_counts) | max + 1) %}

{#- Steps can be done by different events if, and only if, there are at least as many
events as steps in each of these sets of steps (Hall's theorem). -#}
{% set step_sets = {"this": [], "any": []} %}
{% for order, sets in step_sets.items() %}
{% for number in step_numbers %}{% do sets.append([number]) %}{% endfor %}
{% for funnel in funnels.values() if funnel.order == order %}
{% for numbers in funnel_step_sets(funnel.steps) if numbers not in sets %}
{% do sets.append(numbers) %}
{% endfor %}
{% endfor %}
{% endfor %}

with

key_events as (
    select * from {{ ref("int_amplitude__conversion_events") }}
    where user_id is not null and occurred_at is not null
),

loaded_ranges as (
    select * from {{ ref("int_amplitude__loaded_ranges") }}
),

-- one row per step of a funnel, as the variable `funnels` has them
steps as (
    {% for funnel, definition in funnels.items() -%}
    {% for step in definition.steps -%}
    select
        {{ literal(funnel) }} as funnel,
        {{ loop.index }} as step_number,
        {{ literal(step.name) }} as step,
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
        null::boolean as is_ordered,
        null::int as window_seconds,
        null::int as window_days
    where false
),

funnels as (
    select * from steps
    where step_number = 1
),

-- one row per user's second and steps that an event matches; events that match the same
-- steps in the same second are one
occurrences as (
    select distinct
        key_events.project_id,
        key_events.user_id,
        funnels.funnel,
        funnels.is_ordered,
        funnels.window_seconds,
        {% for number in step_numbers -%}
        contains(
            key_events.funnel_steps, '|' || funnels.funnel || ':{{ number }}|'
        ) as is_step_{{ number }},
        {% endfor -%}
        date_trunc('second', key_events.occurred_at) as happened_at
    from key_events
    inner join funnels
        on contains(key_events.funnel_steps, '|' || funnels.funnel || ':')
),

-- one row per such event, and when there are as many events as steps of a set, from
-- this one on
counted as (
    select
        {% for numbers in step_sets["any"] if numbers | length > 1 -%}
        {% set is_one = "(is_step_" ~ numbers | join(" or is_step_") ~ ")" -%}
        case
            when {{ is_one }}
                then lead(happened_at, {{ numbers | length - 1 }}) over (
                    partition by project_id, user_id, funnel, {{ is_one }}
                    order by happened_at
                )
        end as enough_{{ numbers | join("_") }}_at,
        {% endfor -%}
        *
    from occurrences
),

-- one row per user's second with a step of the funnel, and how many of its events are
-- steps of a set
moments as (
    select
        project_id,
        user_id,
        funnel,
        is_ordered,
        window_seconds,
        happened_at,
        {% for numbers in step_sets["this"] -%}
        count_if(is_step_{{ numbers | join(" or is_step_") }})
            as event_count_{{ numbers | join("_") }},
        {% endfor -%}
        {% for numbers in step_sets["any"] if numbers | length > 1 -%}
        min(enough_{{ numbers | join("_") }}_at) as enough_{{ numbers | join("_") }}_at,
        {% endfor -%}
        count(*) as event_count
    from counted
    group by 1, 2, 3, 4, 5, 6
),

-- one row per such second, when each step comes next, and when from here on there are
-- as many events as steps of a set
followed as (
    select
        {% for number in step_numbers -%}
        min(case when event_count_{{ number }} > 0 then happened_at end) over (
            partition by project_id, user_id, funnel
            order by happened_at
            rows between 1 following and unbounded following
        ) as next_{{ number }}_at,
        {% endfor -%}
        {% for numbers in step_sets["any"] if numbers | length > 1 -%}
        min(enough_{{ numbers | join("_") }}_at) over (
            partition by project_id, user_id, funnel
            order by happened_at
            rows between current row and unbounded following
        ) as from_here_{{ numbers | join("_") }}_at,
        {% endfor -%}
        *
    from moments
),

-- in this order: one row per second that a path may begin in
ordered_1 as (
    select
        project_id,
        user_id,
        funnel,
        window_seconds,
        happened_at as began_at,
        happened_at as step_1_at,
        1 as first_step_of_second
    from followed
    where is_ordered and event_count_1 > 0
),

{% for number in step_numbers if number > 1 -%}
{% set previous = number - 1 %}
-- one row per path, and when step {{ number }} comes: in the second of the one before
-- if that has enough events for all steps done in it, else in a later second
found_{{ number }} as (
    select
        ordered_{{ previous }}.*,
        case
            when
                followed.event_count_{{ number }} > 0
                {% for numbers in step_sets["this"]
                    if numbers[-1] == number and numbers | length > 1 -%}
                and (
                    followed.event_count_{{ numbers | join("_") }}
                    >= {{ numbers | length }}
                    or ordered_{{ previous }}.first_step_of_second > {{ numbers[0] }}
                )
                {% endfor -%}
                then followed.happened_at
            else followed.next_{{ number }}_at
        end as found_at
    from ordered_{{ previous }}
    left join followed
        on
            ordered_{{ previous }}.project_id = followed.project_id
            and ordered_{{ previous }}.user_id = followed.user_id
            and ordered_{{ previous }}.funnel = followed.funnel
            and ordered_{{ previous }}.step_{{ previous }}_at = followed.happened_at
),

-- one row per path, and when step {{ number }} is done, if within the window
ordered_{{ number }} as (
    select
        * exclude (found_at, first_step_of_second),
        case
            when datediff('second', began_at, found_at) <= window_seconds then found_at
        end as step_{{ number }}_at,
        case
            when found_at = step_{{ previous }}_at then first_step_of_second
            else {{ number }}
        end as first_step_of_second
    from found_{{ number }}
),

{% endfor -%}
-- in any order: one row per second that a path may begin in, when each step comes and
-- when there are as many events as steps of a set
unordered as (
    select
        project_id,
        user_id,
        funnel,
        window_seconds,
        happened_at as began_at,
        {% for numbers in step_sets["any"] if numbers | length > 1 -%}
        from_here_{{ numbers | join("_") }}_at,
        {% endfor -%}
        {% for number in step_numbers -%}
        case
            when event_count_{{ number }} > 0 then happened_at
            else next_{{ number }}_at
        end as from_here_{{ number }}_at,
        {% endfor -%}
        is_ordered
    from followed
    where not is_ordered
),

unordered_1 as (
    select
        *,
        from_here_1_at as step_1_at
    from unordered
    where datediff('second', began_at, from_here_1_at) <= window_seconds
),

{% for number in step_numbers if number > 1 -%}
{% set previous = number - 1 %}
-- one row per path, and when steps 1 to {{ number }} are done by different events, if
-- within the window
unordered_{{ number }} as (
    select
        *,
        case
            when
                step_{{ previous }}_at is not null
                {% for numbers in step_sets["any"] if numbers[-1] == number -%}
                and datediff('second', began_at, from_here_{{ numbers | join("_") }}_at)
                <= window_seconds
                {% endfor -%}
                then greatest(
                    step_{{ previous }}_at
                    {%- for numbers in step_sets["any"] if numbers[-1] == number -%}
                    , from_here_{{ numbers | join("_") }}_at
                    {%- endfor %}
                )
        end as step_{{ number }}_at
    from unordered_{{ previous }}
),

{% endfor -%}
-- one row per path
attempts as (
    {% for kind in ["ordered", "unordered"] -%}
    select
        project_id,
        user_id,
        funnel,
        {% for number in step_numbers -%}
        step_{{ number }}_at,
        {% endfor -%}
        began_at
    from {{ kind }}_{{ step_numbers[-1] }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

-- one row per user, funnel and day: the path that goes furthest, of these the earliest
paths as (
    select
        *,
        {{ reporting_date("step_1_at") }} as entered_date
    from attempts
    qualify
        row_number() over (
            partition by project_id, user_id, funnel, {{ reporting_date("step_1_at") }}
            order by
                {% for number in step_numbers -%}
                (step_{{ number }}_at is not null)::int
                {{ "+ " if not loop.last }}
                {%- endfor %} desc nulls last,
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
        {{ average_seconds("step_seconds") }} as average_seconds,
        median(total_seconds)::double as median_total_seconds
    from reached
    group by 1, 2, 3, 4
),

-- one row per funnel and day on which someone entered it
entries as (
    select
        project_id,
        funnel,
        entered_date,
        user_count as entered_user_count
    from counts
    where step_number = 1
),

-- one row per step of it, including steps without users
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
        coalesce(
            datediff('day', cells.entered_date, loaded_ranges.last_complete_date)
            >= cells.window_days,
            false
        ) as is_mature,
        cells.entered_date
    from cells
    left join loaded_ranges
        on
            cells.project_id = loaded_ranges.project_id
            and cells.entered_date >= loaded_ranges.first_complete_date
            and cells.entered_date <= loaded_ranges.last_complete_date
)

select * from final
