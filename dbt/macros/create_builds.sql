{%- macro create_builds(results) -%}
    {%- if execute and went_through(results) -%}
        create table if not exists {{ target.database }}.{{ builds().schema }}.builds
        (build_number bigint, is_whole boolean, started_at timestamp)
    {%- endif -%}
{%- endmacro -%}
