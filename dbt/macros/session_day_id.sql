{%- macro session_day_id() -%}
    {{ dbt_utils.generate_surrogate_key(["project_id", "md5(unmerged_user_id)", "amplitude_session_id", "occurred_date"]) }}
{%- endmacro -%}
