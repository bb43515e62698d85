{%- macro funnel_faults(funnels) -%}
    {%- set faults = [] -%}
    {%- for name, funnel in funnels.items() -%}
        {%- set place = "funnels." ~ name -%}
        {%- do faults.append(place ~ " is not a name for a funnel; it must be a text without | : ' and \\") if name is not string or modules.re.search("[|:'\\\\]", name) -%}
        {%- do faults.extend(faults_of(funnel, variable_forms().funnel, place ~ ".")) -%}
        {%- for step in (funnel.steps if is_of_simple_form(funnel.steps, "one step or more") else []) -%}
            {%- do faults.extend(step_faults(step, place ~ ".steps[" ~ loop.index ~ "].")) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(faults) }}
{%- endmacro -%}
