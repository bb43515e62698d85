{%- macro daily_performance_id() -%}
    {{ dbt_utils.generate_surrogate_key(["project_id", "event_date", "md5(event_type)"]) }}
{%- endmacro -%}
