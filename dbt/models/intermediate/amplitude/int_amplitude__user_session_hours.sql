-- noqa: disable=AM04
{{ config(materialized="amplitude_view") }}

with

session_hours as (
    select * from {{ ref("int_amplitude__session_hours") }}
),

identities as (
    select * from {{ ref("stg_amplitude__identities") }}
    where is_current
),

final as (
    select
        session_hours.*,
        coalesce(identities.user_id, session_hours.unmerged_user_id) as user_id
    from session_hours
    left join identities
        on
            session_hours.project_id = identities.project_id
            and session_hours.unmerged_user_id = identities.amplitude_id
)

select * from final
