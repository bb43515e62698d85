{#- Escaped backslashes and whole pairs are set aside as chr(1) and chr(2), which no JSON
    text holds, so that what is left of the pattern is a half. -#}
{%- macro replace_lone_surrogates(raw_json) -%}
    {%- set hex, every = "[0-9a-fA-F]{2}", ", 'g'" if target.type == "duckdb" else "" -%}
    {%- set pair = "\\\\u([dD][89abAB]" ~ hex ~ ")\\\\u([dD][c-fC-F]" ~ hex ~ ")" -%}
    replace(replace(regexp_replace(regexp_replace(
        replace({{ raw_json }}, $$\\$$, chr(1)),
        $${{ pair }}$$, chr(2) || $$\1$$ || chr(2) || $$\2$${{ every }}
    ), $$\\u[dD][89a-fA-F]{{ hex }}$$, chr(2) || 'fffd'{{ every }}), chr(2), $$\u$$), chr(1), $$\\$$)
{%- endmacro -%}
