{#- Accounts and users set these as they like, and two users of one warehouse would get other
    weeks, types, texts of dates, and so other keys. dbt opens a session for each thread and
    takes no parameters for it. -#}
{%- macro pin_session_parameters() -%}
    {{ return(adapter.dispatch("pin_session_parameters")()) }}
{%- endmacro -%}

{%- macro duckdb__pin_session_parameters() -%}{%- endmacro -%}

{%- macro snowflake__pin_session_parameters() -%}
    {%- set parameters = {
        "timezone": "'UTC'",
        "timestamp_type_mapping": "'TIMESTAMP_NTZ'",
        "week_start": 1,
        "week_of_year_policy": 0,
        "date_input_format": "'AUTO'",
        "date_output_format": "'YYYY-MM-DD'",
        "time_output_format": "'HH24:MI:SS'",
        "timestamp_input_format": "'AUTO'",
        "timestamp_output_format": "'YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM'",
        "timestamp_ntz_output_format": "'YYYY-MM-DD HH24:MI:SS.FF3'",
        "timestamp_day_is_always_24h": "false",
        "binary_output_format": "'HEX'",
        "quoted_identifiers_ignore_case": "false",
        "transaction_abort_on_error": "true",
        "error_on_nondeterministic_merge": "true",
        "lock_timeout": 3600,
        "two_digit_century_start": 1970,
    } -%}
    {%- set settings = [] -%}
    {%- for name, value in parameters.items() -%}
        {%- do settings.append(name ~ " = " ~ value) -%}
    {%- endfor -%}
    {%- do run_query("alter session set " ~ settings | join(", ")) -%}
{%- endmacro -%}
