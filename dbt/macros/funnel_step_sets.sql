{%- macro funnel_step_sets(steps) -%}
    {%- set sets = [] -%}
    {%- for number in range(1, steps | length + 1) -%}{%- do sets.append([number]) -%}{%- endfor -%}
    {%- for size in range(1, steps | length) -%}
        {%- for numbers in sets if numbers | length == size -%}{%- for number in numbers -%}
            {%- for added in range(1, steps | length + 1) if added not in numbers and (numbers + [added]) | sort not in sets -%}
                {%- if steps_may_share_events(steps[number - 1], steps[added - 1]) -%}{%- do sets.append((numbers + [added]) | sort) -%}{%- endif -%}
    {%- endfor -%}{%- endfor -%}{%- endfor -%}{%- endfor -%}
    {{ return(sets) }}
{%- endmacro -%}
