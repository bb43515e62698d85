{#- Filters for the models that read stg_amplitude__events: only the events that the batches
    beyond the model's watermark affect. The days are literals, because only literals prune
    partitions on Snowflake; exported_session_id comes before computed ids, so that most rows
    are left unread. -#}
{%- macro is_of_affected_session_day(affected_session_days) -%}
    {%- set affected = affected_session_days ~ " where batch_number > " ~ watermark() -%}
    {{ is_on_days_of("select distinct occurred_date from " ~ affected) }}
    and exported_session_id in (select exported_session_id from {{ affected }})
    and session_day_id in (select session_day_id from {{ affected }})
{%- endmacro -%}

{%- macro is_of_affected_session(affected_activity, session_hours) -%}
    {%- set affected = affected_activity ~ " where session_id is not null and batch_number > "
        ~ watermark() -%}
    {%- set sessions = "(select amplitude_session_id from " ~ affected ~ ")" -%}
    {{ is_on_days_of(
        "select distinct occurred_date from " ~ session_hours
        ~ " where amplitude_session_id in " ~ sessions
    ) }}
    and exported_session_id in {{ sessions }}
    and session_id in (select session_id from {{ affected }})
{%- endmacro -%}

{%- macro is_on_days_of(query) -%}
    {%- set found = run_query(query).columns[0].values() -%}
    {%- set days, conditions = found | reject("none") | list, [] -%}
    {%- do conditions.append("occurred_date is null") if none in found -%}
    {%- do conditions.append("occurred_date " ~ in_or_between(days, "::date")) if days -%}
    ({{ conditions | join(" or ") or "false" }})
{%- endmacro -%}

{#- More than 400 values become a range, because Snowflake limits the length of a query. -#}
{%- macro in_or_between(values, cast="") -%}
    {%- set quoted = [] -%}
    {%- for value in values | sort -%}
        {%- do quoted.append(literal(value) ~ cast) -%}
    {%- endfor -%}
    {%- if quoted | length > 400 -%}
        between {{ quoted[0] }} and {{ quoted[-1] }}
    {%- else -%}
        in ({{ quoted | join(", ") }})
    {%- endif -%}
{%- endmacro -%}
