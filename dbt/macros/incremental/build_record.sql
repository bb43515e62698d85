{#- At the end of a build: record the models and seeds that succeeded, in one statement. A
    build that dies records nothing: the next one processes the same rows again. -#}
{%- macro record_build(results) -%}
    {%- if execute and is_recorded_command() and not (flags.EMPTY or flags.SAMPLE) -%}
        {%- set plan, names = build_plan(), [] -%}
        {#- In the order in which they ended, so that what a model reads comes before it. -#}
        {%- for result in results if result.status == "success" and is_own(result.node) -%}
            {%- if result.node.name in plan.definitions -%}
                {%- do plan.records.update({result.node.name: new_record(plan, result.node)}) -%}
                {%- do names.append(result.node.name) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if names -%}{{ merge_records(plan.records, names) }}{%- endif -%}
    {%- endif -%}
{%- endmacro -%}

{#- A model is only as complete as the models that it reads. -#}
{%- macro new_record(plan, node) -%}
    {%- set old, name = plan.records.get(node.name), node.name -%}
    {%- set complete = [plan.batch_number] -%}
    {%- for parent in tracked_parents(graph.nodes[node.unique_id]) -%}
        {%- do complete.append(watermark(parent.name)) if parent.resource_type == "model" -%}
    {%- endfor -%}
    {{ return({
        "batch_number": complete | min,
        "rebuilt_in": old.rebuilt_in if old else plan.batch_number,
        "changed_in": old.changed_in if old and name in plan.unchanged else plan.batch_number,
        "definition": plan.definitions[name],
    }) }}
{%- endmacro -%}

{%- macro merge_records(records, names) -%}
    merge into {{ model_batches() }} as recorded
    using (
        {%- for name in names %}
        {%- set record = records[name] %}
        select
            '{{ name }}' as model,
            {{ record.batch_number }} as batch_number,
            {{ record.rebuilt_in }} as rebuilt_in,
            {{ record.changed_in }} as changed_in,
            {{ literal(tojson(record.definition)) }} as definition
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as made
    on recorded.model = made.model
    when matched then update set
        batch_number = made.batch_number,
        rebuilt_in = made.rebuilt_in,
        changed_in = made.changed_in,
        definition = made.definition,
        finished_at = {{ utc_now() }}
    when not matched then insert (
        model, batch_number, rebuilt_in, changed_in, definition, finished_at
    ) values (
        made.model,
        made.batch_number,
        made.rebuilt_in,
        made.changed_in,
        made.definition,
        {{ utc_now() }}
    )
{%- endmacro -%}

{%- macro utc_now() -%}
    '{{ modules.datetime.datetime.now(modules.pytz.utc).strftime("%Y-%m-%d %H:%M:%S") }}'::{{
        timestamp_type() }}
{%- endmacro -%}

{%- macro is_recorded_command() -%}
    {{ return(flags.WHICH in ["run", "build", "seed"]) }}
{%- endmacro -%}
