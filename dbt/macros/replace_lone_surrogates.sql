{#- Marks what is whole with two chr(1), what is not with one on each side. -#}
{%- macro replace_lone_surrogates(raw_json) -%}
    {%- set hex = "[0-9a-fA-F]" -%}
    {%- set pair = "\\\\u[dD][89abAB]" ~ hex ~ "{2}\\\\u[dD][c-fC-F]" ~ hex ~ "{2}" -%}
    {%- set half = "\\\\u[dD][89a-fA-F]" ~ hex ~ "{2}" -%}
    {%- set whole = "\\\\\\\\|" ~ pair -%}
    replace(regexp_replace(regexp_replace(
        {{ raw_json }}, '({{ whole }})|({{ half }})', '\1' || chr(1) || '\2' || chr(1), 'g'
    ), chr(1) || '\\u' || '{{ hex }}{4}' || chr(1), '\\ufffd', 'g'), chr(1) || chr(1), '')
{%- endmacro -%}
