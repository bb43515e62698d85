-- noqa: disable=AM04
{{ config(materialized="amplitude_view") }}

with

session_days as (
    select * from {{ ref("int_amplitude__session_days") }}
),

identities as (
    select * from {{ ref("stg_amplitude__identities") }}
    where is_current
),

final as (
    select
        session_days.*,
        coalesce(identities.user_id, session_days.unmerged_user_id) as user_id
    from session_days
    left join identities
        on
            session_days.project_id = identities.project_id
            and session_days.unmerged_user_id = identities.amplitude_id
)

select * from final
