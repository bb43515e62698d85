{#- What each variable must be, and an example. -#}
{%- macro variable_forms() -%}
    {%- set variables = {
        "duplicate_window_days": ["null or a number from 0 to 10000", "7"],
        "stitch_anonymous_users": ["true or false", "true"],
        "use_merges": ["true or false", "false"],
        "reporting_timezone": ["the name of a time zone", "America/New_York"],
        "calendar_starts_on": ["null or a day", "2024-01-01"],
        "retention_days": ["a whole number from 0 to 10000", "90"],
        "lifetime_value_days": ["a whole number from 0 to 10000", "365"],
        "inactive_event_types": ["a list, each item a text", "[Push Sent, Push Opened]"],
        "longest_session_hours": ["a number above 0, up to 10000", "24"],
        "excluded_traffic": ["a list, each item bot or internal", "[bot, internal]"],
        "personal_columns": ["columns and properties by name, each omit or hash (numbers: omit)", "{ip_address: omit, user_properties.email: hash}"],
        "masking_rules": ["a list, each item a pattern and its mask", '[{pattern: "[0-9]{5,}", mask: ":number"}]'],
        "report_minimum_users": ["a whole number from 0 on", "5"],
        "projects": ["a list, each item the id of a project", '["100500123"]'],
        "unparsed_lines_allowed": ["a whole number from 0 on", "2"],
        "too_large_hours_accepted": ["a list, each item an upload hour of a project", '["100500123/2026-01-31 05:00:00"]'],
        "rebuild_changed_models": ["true or false", "true"],
        "build_lock_minutes": ["a number above 0, up to 10000", "60"],
        "override_build_lock": ["true or false", "false"],
        "attribution_window_days": ["a number from 0 to 10000", "30"],
        "drift_share_allowed": ["a share from 0 to 1", "0.05"],
        "drift_rows_allowed": ["a whole number from 0 on", "20"],
        "funnels": ["values by name", "{help: {order: this, window_hours: 24, steps: […]}}"],
    } -%}
    {%- set funnel = {
        "order": ["this or any", "this"],
        "window_hours": ["a number above 0, up to 10000", "24"],
        "steps": ["one step or more", "[{name: Help page, event_type: Page Viewed}]"],
    } -%}
    {%- set step = {
        "name": ["a text", "Help page"],
        "event_type": ["a text, or a list of such", "Page Viewed"],
        "where": ["null or values by name", "{page_path: /help/}"],
        "properties": ["null or values by name", "{plan: [pro, team]}"],
    } -%}
    {{ return({"variables": variables, "funnel": funnel, "step": step}) }}
{%- endmacro -%}
