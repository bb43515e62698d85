{#- The number of the batch that this build loads. Each row carries the number of the batch
    that wrote it. It does not count in a model's definition. -#}
{%- macro batch_number() -%}
    {{ return(build_plan().batch_number if execute and model.resource_type != "operation" else 0) }}
{%- endmacro -%}

{#- The last batch that the model's rows hold. Rows of later batches are new to it. It
    does not count in a model's definition. -#}
{%- macro watermark(name=none) -%}
    {%- set is_known = execute and (name or model.resource_type != "operation") -%}
    {%- set record = build_plan().records.get(name or model.name) if is_known -%}
    {{ return(record.batch_number if record else 0) }}
{%- endmacro -%}

{#- The lowest watermark of the models that read this one, also through views. Those that
    are not recorded are rebuilt. -#}
{%- macro lowest_watermark_of_readers(id=none) -%}
    {%- set records, watermarks = build_plan().records, [] -%}
    {%- for node in tracked_nodes(with_ephemeral=true)
        if (id or model.unique_id) in node.depends_on.nodes -%}
        {%- if node.config.materialized in ["amplitude_view", "view", "ephemeral"] -%}
            {%- do watermarks.append(lowest_watermark_of_readers(node.unique_id)) -%}
        {%- elif node.name in records -%}
            {%- do watermarks.append(records[node.name].batch_number) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(watermarks | min if watermarks else batch_number()) }}
{%- endmacro -%}

{#- For logs of affected keys: delete what every reader has processed, and what a build
    that died has written. -#}
{%- macro prune_affected() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where
            batch_number <= {{ lowest_watermark_of_readers() }}
            or batch_number >= {{ batch_number() }}
    {%- endif -%}
{%- endmacro -%}
