{%- macro session_id() -%}
    case
        when amplitude_session_id is not null
            then {{ dbt_utils.generate_surrogate_key(["project_id", "md5(user_id)", "amplitude_session_id"]) }}
    end
{%- endmacro -%}
