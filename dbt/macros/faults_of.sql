{%- macro faults_of(values, forms, place="") -%}
    {%- set faults, given = [], dict.fromkeys(forms) -%}{%- do given.update(values if values is mapping else {}) -%}
    {%- for name, value in given.items() -%}
        {%- set shown = "null" if value is none else '"' ~ value ~ '"' if value is string else value -%}
        {%- if name not in forms -%}
            {%- do faults.append(place ~ name ~ " is not known; the nearest known name is " ~ nearest_name(name, forms)) -%}
        {%- elif not is_of_form(value, forms[name][0]) -%}
            {%- do faults.append(place ~ name ~ " is " ~ shown ~ "; it must be " ~ forms[name][0] ~ ", such as " ~ name ~ ": " ~ forms[name][1]) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(faults) }}
{%- endmacro -%}
