{#- dbt's own materializations, left out for a model that is up to date: everything that it
    reads is unchanged since its last build, and so is its definition. They have names of
    their own, because dbt lets no package replace `table` and its like, and because the
    models of a project that installs this one as a package keep dbt's. -#}
{%- materialization amplitude_table, adapter="duckdb" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_table_duckdb)) }}
{%- endmaterialization -%}

{%- materialization amplitude_incremental, adapter="duckdb" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_incremental_duckdb)) }}
{%- endmaterialization -%}

{%- materialization amplitude_view, adapter="duckdb" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_view_default)) }}
{%- endmaterialization -%}

{%- materialization seed, adapter="duckdb" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_seed_default)) }}
{%- endmaterialization -%}

{%- materialization amplitude_table, adapter="snowflake" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_table_snowflake)) }}
{%- endmaterialization -%}

{%- materialization amplitude_incremental, adapter="snowflake" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_incremental_snowflake)) }}
{%- endmaterialization -%}

{%- materialization amplitude_view, adapter="snowflake" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_view_snowflake)) }}
{%- endmaterialization -%}

{%- materialization seed, adapter="snowflake" -%}
    {{ return(build_unless_up_to_date(dbt.materialization_seed_snowflake)) }}
{%- endmaterialization -%}

{%- macro build_unless_up_to_date(materialization) -%}
    {%- set unchanged = build_plan().unchanged -%}
    {%- if is_up_to_date() -%}
        {%- do unchanged.update({model.name: true}) -%}
        {%- call noop_statement("main", "UP TO DATE") -%}{%- endcall -%}
        {#- dbt prints a seed's rows. -#}
        {%- if model.resource_type == "seed" -%}
            {%- do store_result("agate_table", response="OK", agate_table=load_agate_table()) -%}
        {%- endif -%}
        {{ return({"relations": [this]}) }}
    {%- endif -%}
    {%- do renew_build_lock() -%}
    {%- do pin_session_parameters() -%}
    {%- set relations = materialization() -%}
    {%- do unchanged.update({model.name: true}) if has_appended_nothing() -%}
    {{ return(relations) }}
{%- endmacro -%}

{#- What reads a source, a model of a package, the time or chance is always built. -#}
{%- macro is_up_to_date() -%}
    {%- set plan, missed = build_plan(), [] -%}
    {%- set record, definition = plan.records.get(model.name), plan.definitions.get(model.name) -%}
    {%- for id in model.depends_on.nodes if record -%}
        {%- set node = graph.nodes.get(id) -%}
        {%- set parent = plan.records.get(node.name) if node and is_own(node) else none -%}
        {%- set is_built = parent and node.name in plan.definitions
            and node.name not in plan.unchanged -%}
        {%- if not parent or is_built or parent.changed_in > record.batch_number -%}
            {%- do missed.append(id) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not record or not definition or definition.is_volatile or has_new_descriptions() -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(not missed) }}
{%- endmacro -%}

{%- macro has_new_descriptions() -%}
    {%- set plan = build_plan() -%}
    {%- set record, definition = plan.records.get(model.name), plan.definitions.get(model.name) -%}
    {%- set recorded = record.definition.documentation if record else none -%}
    {{ return(not definition or definition.documentation != recorded) }}
{%- endmacro -%}

{#- dbt's own, left out where the descriptions in the warehouse are already these. -#}
{%- macro persist_docs(relation, model, for_relation=true, for_columns=true) -%}
    {%- if not is_incremental() or has_new_descriptions() -%}
        {{ return(dbt.persist_docs(relation, model, for_relation, for_columns)) }}
    {%- endif -%}
{%- endmacro -%}

{#- Rows of a build that died count too: no model has processed them. -#}
{%- macro has_appended_nothing() -%}
    {%- if model.config.incremental_strategy == "append" and "batch_number()" in model.raw_code -%}
        {%- set new_rows = " where batch_number > " ~ watermark() ~ " limit 1" -%}
        {{ return(not run_query("select 1 from " ~ this ~ new_rows).rows) }}
    {%- endif -%}
    {{ return(false) }}
{%- endmacro -%}

{#- dbt's switch for building a model whole, on for what the build plan rebuilds. A model
    with the setting `full_refresh: false` is never rebuilt, as in dbt. -#}
{%- macro should_full_refresh() -%}
    {%- set is_rebuilt = execute and model.name in build_plan().rebuilt -%}
    {%- set may_be = config.get("full_refresh") is not false -%}
    {{ return(dbt.should_full_refresh() or (is_rebuilt and may_be)) }}
{%- endmacro -%}

{#- dbt's own, which knows only its own materialization; and the hook that renders definitions
    has no model at hand. -#}
{%- macro is_incremental() -%}
    {%- set is_possible = execute and model.resource_type == "model"
        and model.config.materialized in ["amplitude_incremental", "incremental"] -%}
    {%- set table = load_relation(this) if is_possible else none -%}
    {{ return(table is not none and table.is_table and not should_full_refresh()) }}
{%- endmacro -%}
