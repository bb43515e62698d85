{#- The session's number is compared first: it spares most rows the hash. -#}
{%- macro of_changed_days() -%}
    {%- set changes = ref("stg_amplitude__changes") -%}
    {{ on_days("select distinct occurred_date from " ~ changes) }}
    {%- if is_increment() %}
        and coalesce(amplitude_session_id, -1) in (select coalesce(amplitude_session_id, -1) from {{ changes }})
        and {{ session_day_id() }} in (select session_day_id from {{ changes }})
    {%- endif -%}
{%- endmacro -%}
