{% set measures = [
    "unparsed_row",
    "no_event_time",
    "no_amplitude_id",
    "no_session_id",
] %}

with

file_contents as (
    select * from {{ ref("stg_amplitude__file_contents") }}
),

-- one row per project and upload day
days as (
    select
        project_id,
        uploaded_date,
        count(distinct landing_key) as file_count,
        sum(row_count)::bigint as row_count,
        {% for measure in measures -%}
        sum({{ measure }}_count)::bigint as {{ measure }}_count,
        {% endfor -%}
        {% for key in exported_fields() | sort -%}
        sum(
            case
                when contains(',' || missing_keys || ',', ',{{ key }},')
                    then row_count
            end
        ) as missing_count_{{ loop.index }},
        {% endfor -%}
        max(batch_number) as batch_number
    from file_contents
    where {{ is_of_chosen_project("project_id") }}
    group by 1, 2
),

-- one row per set of keys that rows of the day have beyond the documented ones
key_sets as (
    select distinct
        project_id,
        uploaded_date,
        undocumented_keys
    from file_contents
    where undocumented_keys != ''
),

undocumented as (
    select
        project_id,
        uploaded_date,
        {{ dbt.listagg("undocumented_keys", "';'", "order by undocumented_keys") }}
            as undocumented_keys
    from key_sets
    group by 1, 2
),

final as (
    select
        days.project_id || '/' || coalesce(days.uploaded_date::varchar, '')
            as load_drift_id,
        days.project_id,
        days.uploaded_date,
        days.file_count,
        days.row_count,
        {% for measure in measures -%}
        days.{{ measure }}_count,
        days.{{ measure }}_count / days.row_count::double as {{ measure }}_rate,
        {% endfor -%}
        undocumented.undocumented_keys,
        nullif(
            regexp_replace(
                ''
                {%- for key in exported_fields() | sort %}
                || case
                    when days.missing_count_{{ loop.index }} = days.row_count
                        then '{{ key }},'
                    else ''
                end
                {%- endfor %},
                ',$',
                ''
            ),
            ''
        ) as missing_keys,
        nullif(
            regexp_replace(
                ''
                {%- for measure in measures %}
                || case
                    when
                        days.{{ measure }}_count > {{ variable("drift_rows_allowed") }}
                        and days.{{ measure }}_count
                        > days.row_count * {{ variable("drift_share_allowed") }}
                        then '{{ measure }},'
                    else ''
                end
                {%- endfor %},
                ',$',
                ''
            ),
            ''
        ) as drifts,
        days.batch_number
    from days
    left join undocumented
        on
            days.project_id = undocumented.project_id
            and days.uploaded_date is not distinct from undocumented.uploaded_date
)

select * from final
