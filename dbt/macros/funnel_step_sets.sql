{%- macro funnel_step_sets(steps) -%}
    {%- set sets = [] -%}{%- set all_numbers = range(1, steps | length + 1) -%}
    {%- for number in all_numbers -%}{%- do sets.append([number]) -%}{%- endfor -%}
    {%- for size in all_numbers -%}{%- for numbers in sets if numbers | length == size -%}{%- for number in numbers -%}
        {%- for added in all_numbers if added not in numbers and steps_may_share_events(steps[number - 1], steps[added - 1]) -%}
            {%- set larger = with_implied_steps(steps, (numbers + [added]) | sort) -%}
            {%- if larger not in sets -%}{%- do sets.append(larger) -%}{%- endif -%}
        {%- endfor -%}
    {%- endfor -%}{%- endfor -%}{%- endfor -%}
    {{ return(sets) }}
{%- endmacro -%}
