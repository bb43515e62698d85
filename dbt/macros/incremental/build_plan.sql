{#- One row per model or seed: up to which batch its rows are complete, in which batch it was
    last rebuilt and last changed, and the definition that made its rows. -#}
{%- macro model_batches() -%}
    {{ return(build_table("model_batches")) }}
{%- endmacro -%}

{%- macro tracked_nodes(with_ephemeral=false) -%}
    {%- set nodes = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type in ["model", "seed"] -%}
        {%- set is_stored = with_ephemeral or node.config.materialized != "ephemeral" -%}
        {%- do nodes.append(node) if is_own(node) and is_stored -%}
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
            "unchanged": {},
        }}) -%}
    {%- endif -%}
    {{ return(graph[memo]) }}
{%- endmacro -%}

{%- macro create_model_batches() -%}
    {%- set table = model_batches() -%}
    {%- if not adapter.get_relation(table.database, table.schema, table.identifier) -%}
        {%- do adapter.create_schema(table.without_identifier()) -%}
        {%- do run_query(
            "create table if not exists " ~ table ~ " (model varchar, batch_number bigint,"
            ~ " rebuilt_in bigint, changed_in bigint, definition varchar, finished_at "
            ~ timestamp_type() ~ ")"
        ) -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro read_model_batches() -%}
    {%- set records, table = {}, model_batches() -%}
    {%- if adapter.get_relation(table.database, table.schema, table.identifier) -%}
        {%- set columns = "model, batch_number, rebuilt_in, changed_in, definition" -%}
        {%- for row in run_query("select " ~ columns ~ " from " ~ table).rows -%}
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

{#- The models and seeds that this command builds: in a project that installs this one as a
    package, often none. -#}
{%- macro selected_nodes() -%}
    {%- set nodes = [] -%}
    {%- for node in tracked_nodes() if is_recorded_command() -%}
        {%- do nodes.append(node) if node.unique_id in selected_resources -%}
    {%- endfor -%}
    {{ return(nodes) }}
{%- endmacro -%}

{#- At the start of a build: take the lock, decide which models are rebuilt, say why, and
    delete their records, so that the next build rebuilds them again if this one dies.
    Definitions come first: a model that does not compile fails before the lock is held. -#}
{%- macro plan_build() -%}
    {%- set selected, definitions = selected_nodes() if execute else [], {} -%}
    {%- if selected -%}
        {%- for node in selected -%}
            {%- set is_seed = node.resource_type == "seed" -%}
            {%- set definition = seed_definition(node) if is_seed else model_definition(node) -%}
            {%- do definitions.update({node.name: definition}) -%}
        {%- endfor -%}
        {%- do acquire_build_lock() -%}
        {%- do create_model_batches() -%}
        {%- set plan = build_plan() -%}
        {%- do plan.definitions.update(definitions) -%}
        {%- do plan_rebuilds(plan, selected) -%}
        {#- dbt may load a seed all the same: its materialization is dbt's own in a package. -#}
        {%- for node in selected if node.resource_type == "seed" -%}
            {%- do plan.unchanged.update({node.name: true}) if node.name not in plan.rebuilt -%}
        {%- endfor -%}
        {%- do say_rebuilds(plan) -%}
        {%- set is_empty = flags.EMPTY or flags.SAMPLE -%}
        {%- set forgotten = (plan.definitions if is_empty else plan.rebuilt).keys() | list -%}
        {#- Nothing waits for a model that is gone; if it comes back, it is rebuilt. -#}
        {%- set known = tracked_nodes() | map(attribute="name") | list -%}
        {%- do forgotten.extend(plan.records.keys() | reject("in", known)) -%}
        {%- do forget_records(plan, forgotten | select("in", plan.records) | list) -%}
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
            {%- set table = adapter.get_relation(node.database, node.schema, node.alias) -%}
            {%- set reason = "no record of a finished build" if table else "new" -%}
            {%- do plan.rebuilt.update({node.name: reason}) -%}
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
    {#- One pass per generation, until one finds no more. -#}
    {%- set progress = namespace(finds_more=true) -%}
    {%- for _ in selected if progress.finds_more -%}
        {%- set found = plan.rebuilt | length -%}
        {%- for node in waiting if node.name not in plan.rebuilt -%}
            {%- for parent in tracked_parents(node) -%}
                {%- set record = plan.records.get(parent.name) -%}
                {%- set rebuilt_in = record.rebuilt_in if record else 0 -%}
                {%- if parent.name in plan.rebuilt or rebuilt_in > watermark(node.name) -%}
                    {%- do plan.rebuilt.update({node.name: "it reads " ~ parent.name}) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- set progress.finds_more = plan.rebuilt | length > found -%}
    {%- endfor -%}
{%- endmacro -%}

{%- macro tracked_parents(node) -%}
    {%- set parents = [] -%}
    {%- for id in node.depends_on.nodes if id in graph.nodes -%}
        {%- set parent = graph.nodes[id] -%}
        {%- if parent.config.materialized == "ephemeral" -%}
            {%- do parents.extend(tracked_parents(parent)) -%}
        {%- elif is_own(parent) -%}
            {%- do parents.append(parent) -%}
        {%- endif -%}
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
        {%- set list = names | sort | join(", ") -%}
        {%- do lines.append((list if names | length < 9 else names | length ~ " models")
            ~ " (" ~ reason ~ ")") -%}
    {%- endfor -%}
    {%- if lines and not var("rebuild_changed_models") -%}
        {%- do release_build_lock() -%}
        {{ exceptions.raise_compiler_error(
            "These models have to be rebuilt, and the models that read them: " ~ lines | join("; ")
            ~ ". The variable rebuild_changed_models is false, so the build stops. Rebuild them"
            ~ " with ARGS=\"--vars '{rebuild_changed_models: true}'\""
        ) }}
    {%- endif -%}
    {%- for line in lines -%}{%- do log("Rebuilding " ~ line, info=true) -%}{%- endfor -%}
    {%- if readers -%}
        {%- set many = readers | length ~ (" model" if readers | length == 1 else " models") -%}
        {%- do log("Rebuilding " ~ many ~ " downstream of these", info=true) -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro forget_records(plan, names) -%}
    {%- for name in names -%}{%- do plan.records.pop(name) -%}{%- endfor -%}
    {%- if names -%}
        {%- set list = "'" ~ names | join("', '") ~ "'" -%}
        {%- do run_query("delete from " ~ model_batches() ~ " where model in (" ~ list ~ ")") -%}
    {%- endif -%}
{%- endmacro -%}
