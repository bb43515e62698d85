{#- dbt's own materializations, left out for a model that is up to date: everything that it
    reads is unchanged since its last build, and so is its definition. -#}
{%- materialization table, adapter="duckdb" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_table_duckdb)) }}
{%- endmaterialization -%}

{%- materialization incremental, adapter="duckdb" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_incremental_duckdb)) }}
{%- endmaterialization -%}

{%- materialization view, adapter="duckdb" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_view_default)) }}
{%- endmaterialization -%}

{%- materialization seed, adapter="duckdb" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_seed_default)) }}
{%- endmaterialization -%}

{%- materialization table, adapter="snowflake" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_table_snowflake)) }}
{%- endmaterialization -%}

{%- materialization incremental, adapter="snowflake" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_incremental_snowflake)) }}
{%- endmaterialization -%}

{%- materialization view, adapter="snowflake" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_view_snowflake)) }}
{%- endmaterialization -%}

{%- materialization seed, adapter="snowflake" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_seed_snowflake)) }}
{%- endmaterialization -%}

{%- macro build_unless_up_to_date(materialization) -%}
    {%- if is_up_to_date() -%}
        {%- call noop_statement("main", "UP TO DATE") -%}{%- endcall -%}
        {#- dbt prints a seed's rows. -#}
        {%- if model.resource_type == "seed" -%}
            {%- do store_result("agate_table", response="OK", agate_table=load_agate_table()) -%}
        {%- endif -%}
        {{ return({"relations": [this]}) }}
    {%- endif -%}
    {%- do renew_build_lock() -%}
    {%- set relations = materialization() -%}
    {%- do build_plan().changed.update({model.name: true}) if has_changed() -%}
    {{ return(relations) }}
{%- endmacro -%}

{#- What reads a source, a model of a package, the time or chance is always built. -#}
{%- macro is_up_to_date() -%}
    {%- set plan, missed = build_plan(), [] -%}
    {%- set record = plan.records.get(model.name) -%}
    {%- for id in model.depends_on.nodes if record -%}
        {%- set node = graph.nodes.get(id) -%}
        {%- set parent = plan.records.get(node.name) if node else none -%}
        {%- if not parent or node.name in plan.changed or parent.changed_in > record.batch_number -%}
            {%- do missed.append(id) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set definition = plan.definitions.get(model.name) -%}
    {{ return(record is not none and definition and not definition.is_volatile and not missed) }}
{%- endmacro -%}

{#- Appending nothing is no change. -#}
{%- macro has_changed() -%}
    {%- if model.config.incremental_strategy != "append" -%}{{ return(true) }}{%- endif -%}
    {%- set query = "select 1 from " ~ this ~ " where batch_number = " ~ batch_number() ~ " limit 1" -%}
    {{ return(run_query(query).rows | length > 0) }}
{%- endmacro -%}

{#- dbt's switch for building a model whole, on for what the build plan rebuilds. -#}
{%- macro should_full_refresh() -%}
    {{ return(dbt.should_full_refresh() or (execute and model.name in build_plan().rebuilt)) }}
{%- endmacro -%}

{#- dbt's own; but the hook that renders definitions has no model at hand. -#}
{%- macro is_incremental() -%}
    {{ return(model.resource_type == "model" and dbt.is_incremental()) }}
{%- endmacro -%}
