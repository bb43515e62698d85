{#- One row per model or seed: up to which batch its rows are complete, in which batch it was
    last rebuilt and last changed, and the definition that made its rows. -#}
{%- macro model_batches() -%}
    {{ return(api.Relation.create(target.database, target.schema ~ "_staging", "model_batches")) }}
{%- endmacro -%}

{%- macro tracked_nodes() -%}
    {%- set nodes = [] -%}
    {%- for node in graph.nodes.values() if node.package_name == project_name -%}
        {%- do nodes.append(node) if node.resource_type in ["model", "seed"] -%}
    {%- endfor -%}
    {{ return(nodes) }}
{%- endmacro -%}

{#- What is recorded and what this build will do. Read once: all of a run share the graph. -#}
{%- macro build_plan() -%}
    {%- set memo = "build plan of " ~ invocation_id -%}
    {%- if memo not in graph -%}
        {%- set records = read_model_batches() -%}
        {%- set numbers = [0] -%}
        {%- for record in records.values() -%}
            {%- do numbers.extend([record.batch_number, record.rebuilt_in, record.changed_in]) -%}
        {%- endfor -%}
        {%- do graph.update({memo: {
            "records": records,
            "batch_number": numbers | max + 1,
            "definitions": {},
            "rebuilt": {},
            "changed": {},
        }}) -%}
    {%- endif -%}
    {{ return(graph[memo]) }}
{%- endmacro -%}

{%- macro create_model_batches() -%}
    {%- set table = model_batches() -%}
    {%- if not adapter.get_relation(table.database, table.schema, table.identifier) -%}
        {%- do run_query(
            "create table if not exists " ~ table ~ " (model varchar, batch_number bigint,"
            ~ " rebuilt_in bigint, changed_in bigint, definition varchar, finished_at timestamp)"
        ) -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro read_model_batches() -%}
    {%- set records, table = {}, model_batches() -%}
    {%- if adapter.get_relation(table.database, table.schema, table.identifier) -%}
        {%- set query = "select model, batch_number, rebuilt_in, changed_in, definition from " ~ table -%}
        {%- for row in run_query(query).rows -%}
            {%- do records.update({row[0]: {
                "batch_number": row[1] | int,
                "rebuilt_in": row[2] | int,
                "changed_in": row[3] | int,
                "definition": fromjson(row[4]),
            }}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(records) }}
{%- endmacro -%}

{#- At the start of a build: decide which models are rebuilt, say why, and forget their
    records, so that the next build rebuilds them again if this one dies. -#}
{%- macro plan_build() -%}
    {%- if execute and is_recorded_command() -%}
        {%- do create_model_batches() -%}
        {%- set plan, selected = build_plan(), [] -%}
        {%- for node in tracked_nodes() if node.unique_id in selected_resources -%}
            {%- do selected.append(node) -%}
            {%- set define = seed_definition if node.resource_type == "seed" else model_definition -%}
            {%- do plan.definitions.update({node.name: define(node)}) -%}
        {%- endfor -%}
        {%- do plan_rebuilds(plan, selected) -%}
        {%- do say_rebuilds(plan) -%}
        {%- set names = plan.definitions if flags.EMPTY or flags.SAMPLE else plan.rebuilt -%}
        {%- do forget_records(plan, names.keys() | select("in", plan.records) | list) -%}
    {%- endif -%}
{%- endmacro -%}

{#- A model is rebuilt if its definition changed, if it is not recorded or its table is
    missing, or if a model that it reads is rebuilt now or was since. -#}
{%- macro plan_rebuilds(plan, selected) -%}
    {%- set waiting = [] -%}
    {%- for node in selected -%}
        {%- set record = plan.records.get(node.name) -%}
        {%- set definition = plan.definitions[node.name] -%}
        {%- if flags.FULL_REFRESH -%}
            {%- do plan.rebuilt.update({node.name: "full refresh"}) -%}
        {%- elif not record -%}
            {%- do plan.rebuilt.update({node.name: "new"}) -%}
        {%- elif record.definition.sql != definition.sql -%}
            {%- do plan.rebuilt.update({
                node.name: what_changed(record.definition, definition) ~ " changed"
            }) -%}
        {%- elif not adapter.get_relation(node.database, node.schema, node.alias) -%}
            {%- do plan.rebuilt.update({node.name: "its table is missing"}) -%}
        {%- else -%}
            {%- do waiting.append(node) -%}
        {%- endif -%}
    {%- endfor -%}
    {#- One pass per generation: no chain of models is longer than there are models. -#}
    {%- for _ in selected -%}
        {%- for node in waiting if node.name not in plan.rebuilt -%}
            {%- for parent in tracked_parents(node) -%}
                {%- set record = plan.records.get(parent.name) -%}
                {%- set rebuilt_in = record.rebuilt_in if record else 0 -%}
                {%- if parent.name in plan.rebuilt or rebuilt_in > watermark(node.name) -%}
                    {%- do plan.rebuilt.update({node.name: "it reads " ~ parent.name}) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro -%}

{%- macro tracked_parents(node) -%}
    {%- set parents = [] -%}
    {%- for id in node.depends_on.nodes if id in graph.nodes -%}
        {%- do parents.append(graph.nodes[id]) if graph.nodes[id].package_name == project_name -%}
    {%- endfor -%}
    {{ return(parents) }}
{%- endmacro -%}

{%- macro say_rebuilds(plan) -%}
    {%- set models, readers = {}, [] -%}
    {%- for name, reason in plan.rebuilt.items() if reason not in ["full refresh", "new"] -%}
        {%- if reason.startswith("it reads ") -%}
            {%- do readers.append(name) -%}
        {%- else -%}
            {%- do models.update({reason: models.get(reason, []) + [name]}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set lines = [] -%}
    {%- for reason, names in models.items() -%}
        {%- do lines.append(names | sort | join(", ") ~ " (" ~ reason ~ ")") -%}
    {%- endfor -%}
    {%- if lines and not var("rebuild_changed_models") -%}
        {#- dbt runs no hook after this error. -#}
        {%- do release_build_lock() -%}
        {{ exceptions.raise_compiler_error(
            "These models have to be rebuilt, and the models that read them: " ~ lines | join("; ")
            ~ ". The variable rebuild_changed_models is false, so the build stops. Rebuild them"
            ~ " with ARGS=\"--vars '{rebuild_changed_models: true}'\""
        ) }}
    {%- endif -%}
    {%- for line in lines -%}{%- do log("Rebuilding " ~ line, info=true) -%}{%- endfor -%}
    {%- if readers -%}
        {%- do log("Rebuilding " ~ readers | length ~ " models that read rebuilt ones", info=true) -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro forget_records(plan, names) -%}
    {%- for name in names -%}{%- do plan.records.pop(name) -%}{%- endfor -%}
    {%- if names -%}
        {%- set list = "'" ~ names | join("', '") ~ "'" -%}
        {%- do run_query("delete from " ~ model_batches() ~ " where model in (" ~ list ~ ")") -%}
    {%- endif -%}
{%- endmacro -%}
