{%- macro with_implied_steps(steps, numbers) -%}
    {%- set found = numbers | list -%}
    {%- for number in range(numbers[0], numbers[-1]) if number not in numbers -%}
        {%- for other in numbers if number not in found and step_implies(steps[number - 1], steps[other - 1]) -%}
            {%- do found.append(number) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found | sort) }}
{%- endmacro -%}
