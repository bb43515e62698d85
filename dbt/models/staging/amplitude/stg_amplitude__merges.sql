{{ config(enabled=variable("use_merges")) }}

{% set only_project = only_project_of_merges(
    ref("base_amplitude__merges"), ref("stg_amplitude__loaded_files")
) %}

with recursive

merges as (
    select * from {{ ref("base_amplitude__merges") }}
),

-- one row per merge of two ids
placed as (
    select
        coalesce(project_id, {{ literal(only_project) }}) as project_id,
        merged_amplitude_id,
        amplitude_id,
        merge_occurred_at,
        merged_at
    from merges
    where merged_amplitude_id != amplitude_id
),

-- one row per merged id, with the id it was last merged into
newest as (
    select
        project_id,
        merged_amplitude_id,
        amplitude_id
    from placed
    qualify
        row_number() over (
            partition by project_id, merged_amplitude_id
            order by
                merged_at desc nulls last,
                merge_occurred_at desc nulls last,
                amplitude_id
        ) = 1
),

-- one row per merged id whose chain ends: from its end, the id that was never merged,
-- back to the first. So no circle is entered, and each id is found once.
chains (project_id, amplitude_id, user_id) as (
    select
        newest.project_id,
        newest.merged_amplitude_id as amplitude_id,
        newest.amplitude_id as user_id
    from newest
    left join newest as next_merge
        on
            newest.project_id = next_merge.project_id
            and newest.amplitude_id = next_merge.merged_amplitude_id
    where next_merge.merged_amplitude_id is null
    union all
    select
        newest.project_id,
        newest.merged_amplitude_id as amplitude_id,
        chains.user_id
    from chains
    inner join newest
        on
            chains.project_id = newest.project_id
            and chains.amplitude_id = newest.amplitude_id
),

final as (
    select
        newest.project_id || '/' || newest.merged_amplitude_id as project_amplitude_id,
        newest.project_id,
        newest.merged_amplitude_id as amplitude_id,
        coalesce(chains.user_id, newest.merged_amplitude_id) as user_id,
        chains.user_id is null as is_circular
    from newest
    left join chains
        on
            newest.project_id = chains.project_id
            and newest.merged_amplitude_id = chains.amplitude_id
)

select * from final
