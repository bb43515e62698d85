{%- macro create_builds(results) -%}
    {%- if execute and went_through(results) -%}
        create table if not exists {{ builds().table }}
        (build_number bigint, is_whole boolean, started_at timestamp, left_out varchar)
    {%- endif -%}
{%- endmacro -%}
