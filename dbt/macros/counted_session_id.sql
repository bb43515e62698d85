{%- macro counted_session_id(user_id="unmerged_user_id") -%}
    case
        when {{ user_id }} is not null and {{ is_activity("event_type") }}
            then nullif(amplitude_session_id, -1)
    end
{%- endmacro -%}
