{{ config(enabled=variable("use_merges")) }}

with

merges as (
    select * from {{ ref("base_amplitude__merges") }}
),

-- one row per merged id, with the id it was last merged into
chain_1 as (
    select
        merged_amplitude_id as amplitude_id,
        amplitude_id as user_id
    from merges
    where merged_amplitude_id != amplitude_id
    qualify
        row_number() over (
            partition by merged_amplitude_id
            order by merged_at desc, merge_occurred_at desc, amplitude_id
        ) = 1
),

-- which may itself have been merged: each step doubles how far a chain is followed
{% for step in range(1, 6) -%}
    chain_{{ step + 1 }} as (
        select
            chain_{{ step }}.amplitude_id,
            coalesce(next_one.user_id, chain_{{ step }}.user_id) as user_id
        from chain_{{ step }}
        left join chain_{{ step }} as next_one
            on chain_{{ step }}.user_id = next_one.amplitude_id
    ),

{% endfor -%}

final as (
    select * from chain_6
)

select * from final
