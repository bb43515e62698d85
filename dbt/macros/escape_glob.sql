{%- macro escape_glob(path) -%}
    regexp_replace({{ path }}, '([*?\[])', '[\1]', 'g')
{%- endmacro -%}
