{#- The session is compared first, as base holds it: most rows are left unread then. -#}
{%- macro of_changed_days() -%}
    {%- set changes = ref("stg_amplitude__changes") -%}
    {{ on_days("select distinct occurred_date from " ~ changes) }}
    {%- if is_increment() %}
        and exported_session_id in (select exported_session_id from {{ changes }})
        and {{ session_day_id() }} in (select session_day_id from {{ changes }})
    {%- endif -%}
{%- endmacro -%}
