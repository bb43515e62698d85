{%- macro is_funnel_step(step) -%}
    {%- for field, values in funnel_step_conditions(step) -%}
        {{ field }} in ({%- for value in values %}{{ literal(value) }}{{ ", "
            if not loop.last }}{% endfor %}) {{- " and " if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}

{%- macro funnel_step_conditions(step) -%}
    {%- set found = [["event_type", step.event_type]] -%}
    {%- do found.extend((step.where or {}).items()) -%}
    {%- for key, values in (step.properties or {}).items() -%}
        {%- do found.append([event_property(key), values]) -%}
    {%- endfor -%}
    {%- set conditions = [] -%}
    {%- for field, values in found -%}
        {%- do conditions.append([field,
            ([values] if values is string or values is number else values) | map("string")
            | list]) -%}
    {%- endfor -%}
    {{ return(conditions) }}
{%- endmacro -%}

{%- macro funnel_step_sets(steps) -%}
    {%- set sets = [] -%}{%- set all_numbers = range(1, steps | length + 1) -%}
    {%- for number in all_numbers -%}{%- do sets.append([number]) -%}{%- endfor -%}
    {%- for size in all_numbers -%}
        {%- for numbers in sets if numbers | length == size -%}
            {%- for number in numbers -%}
        {%- for added in all_numbers if added not in numbers
            and steps_may_share_events(steps[number - 1], steps[added - 1]) -%}
            {%- set larger = add_implied_steps(steps, (numbers + [added]) | sort) -%}
            {%- if larger not in sets -%}{%- do sets.append(larger) -%}{%- endif -%}
        {%- endfor -%}
    {%- endfor -%}{%- endfor -%}{%- endfor -%}
    {{ return(sets) }}
{%- endmacro -%}

{%- macro step_implies(one, other) -%}
    {%- set unmet = [] -%}
    {%- for field, values in funnel_step_conditions(other) -%}
        {%- set narrower = [] -%}
        {%- for own_field, own_values in funnel_step_conditions(one) if own_field == field
            and own_values | reject("in", values) | list == [] -%}
            {%- do narrower.append(field) -%}
        {%- endfor -%}
        {%- if narrower == [] -%}{%- do unmet.append(field) -%}{%- endif -%}
    {%- endfor -%}
    {{ return(unmet == []) }}
{%- endmacro -%}

{%- macro steps_may_share_events(one, other) -%}
    {%- set conflicts = [] -%}
    {%- for field, values in funnel_step_conditions(one) -%}
        {%- for other_field, other_values in funnel_step_conditions(other)
            if other_field == field -%}
            {%- if values | select("in", other_values) | list == [] -%}
                {%- do conflicts.append(field) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(conflicts == []) }}
{%- endmacro -%}

{%- macro add_implied_steps(steps, numbers) -%}
    {%- set found = numbers | list -%}
    {%- for number in range(numbers[0], numbers[-1]) if number not in numbers -%}
        {%- for other in numbers if number not in found
            and step_implies(steps[number - 1], steps[other - 1]) -%}
            {%- do found.append(number) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found | sort) }}
{%- endmacro -%}
