{%- macro session_id() -%}
    case
        when amplitude_session_id is not null
            then {{ dbt_utils.generate_surrogate_key(["project_id", "md5(user_id)",
                "amplitude_session_id"]) }}
    end
{%- endmacro -%}

{%- macro session_day_id() -%}
    {{ dbt_utils.generate_surrogate_key(["project_id", "md5(unmerged_user_id)",
        "amplitude_session_id", date_text("occurred_date")]) }}
{%- endmacro -%}

{%- macro project_user_id(table="") -%}
    {{ dbt_utils.generate_surrogate_key(
        [table ~ "project_id", "md5(" ~ table ~ "user_id)"]
    ) }}
{%- endmacro -%}

{%- macro daily_performance_id() -%}
    {{ dbt_utils.generate_surrogate_key(["project_id", date_text("event_date"),
        "md5(event_type)"]) }}
{%- endmacro -%}

{%- macro counted_session_id(user_id="unmerged_user_id") -%}
    case
        when {{ user_id }} is not null and {{ is_activity("event_type") }}
            then nullif(amplitude_session_id, -1)
    end
{%- endmacro -%}

{%- macro order_key(time, id) -%}
    {%- set known_time = "coalesce(" ~ time ~ ", '9999-12-31 23:59:59.999999'::timestamp)" -%}
    datediff('microsecond', '1900-01-01'::timestamp,
        {{ known_time }})::bigint * 100000000000000000000
    + {{ md5_number(id) }}
{%- endmacro -%}
