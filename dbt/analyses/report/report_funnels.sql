with

funnels as (
    select * from {{ ref('amplitude__funnels') }}
),

final as (
    select
        project_id,
        funnel,
        -- the place in which the funnel is declared
        {% if var("funnels") -%}
        case funnel
            {% for name in var("funnels") -%}
            when {{ literal(name) }} then {{ loop.index }}
            {% endfor -%}
        end
        {%- else -%}
        0
        {%- endif %} as funnel_number,
        entered_date,
        step_number,
        step,
        user_count,
        entered_user_count,
        average_seconds,
        is_mature
    from funnels
    qualify
        dense_rank() over (
            partition by project_id, funnel order by entered_date desc nulls last
        ) <= 400
)

select * from final
order by project_id, funnel, entered_date, step_number
