{#- A model's definition is the SQL that a full refresh would run, so that no variable and
    no macro that shapes the rows can be forgotten; and its file, for what only an increment
    runs. Comments and white space do not count. The hook that renders it may not call
    ref(): names stand in for relations. -#}
{%- macro model_definition(node) -%}
    {%- set stand_ins = "{% set ref = name_of_ref %}{% set source = relation_of_source %}" -%}
    {%- set config, code = node.config, node.raw_code -%}
    {%- set sql = render(stand_ins ~ code) if node.language == "sql" else code -%}
    {%- set parts = [
        sql,
        code,
        config.materialized,
        config.incremental_strategy,
        config.unique_key,
        config.meta.get("affected"),
        config.get("post-hook") | map(attribute="sql") | join(";"),
    ] -%}
    {%- for id in node.depends_on.nodes if id in graph.nodes -%}
        {%- set parent = graph.nodes[id] -%}
        {%- if parent.config.materialized == "ephemeral" -%}
            {%- do parts.append(model_definition(parent).sql) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({
        "sql": local_md5(without_comments(parts | join("\n"))),
        "file": local_md5(without_comments(code)),
        "variables": hashes_of_variables(),
        "is_volatile": is_volatile(without_comments(sql)),
        "documentation": hash_of_documentation(node),
    }) }}
{%- endmacro -%}

{%- macro seed_definition(node) -%}
    {{ return({"sql": node.checksum.checksum, "file": node.checksum.checksum, "variables": {},
        "is_volatile": false,
        "documentation": hash_of_documentation(node),
    }) }}
{%- endmacro -%}

{#- Only where descriptions are written into the warehouse. -#}
{%- macro hash_of_documentation(node) -%}
    {%- if not node.config.persist_docs.get("relation") -%}{{ return("") }}{%- endif -%}
    {%- set texts = [node.description] -%}
    {%- for name, column in node.columns.items() -%}
        {%- do texts.append(name ~ ": " ~ column.description) -%}
    {%- endfor -%}
    {{ return(local_md5(texts | join("\n"))) }}
{%- endmacro -%}

{%- macro name_of_ref(name) -%}{{ return(name) }}{%- endmacro -%}

{%- macro relation_of_source(source_name, table_name) -%}
    {%- for source in graph.sources.values() if is_own(source) -%}
        {%- if [source.source_name, source.name] == [source_name, table_name] -%}
            {{ return(api.Relation.create(source.database, source.schema, source.identifier)) }}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro -%}

{#- Text in quotes is kept to the letter. -#}
{%- macro without_comments(code) -%}
    {%- set quoted = "('[^']*'|\"[^\"]*\")" -%}
    {%- set comments = "|--[^\n]*|/[*][\s\S]*?[*]/|[{]#[\s\S]*?#[}]" -%}
    {%- set bare = modules.re.sub(quoted ~ comments, "\\1", code) -%}
    {{ return(modules.re.sub(quoted ~ "|\s*([(),])\s*|\s+", "\\1\\2 ", bare) | trim) }}
{%- endmacro -%}

{%- macro hashes_of_variables() -%}
    {#- These decide how a build runs, not what it makes. -#}
    {%- set others = ["cluster_tables", "rebuild_changed_models", "build_lock_minutes",
        "override_build_lock"] -%}
    {%- set hashes = {} -%}
    {%- for name in variable_forms().variables if name not in others -%}
        {%- do hashes.update({name: local_md5(tojson(var(name), sort_keys=true))[:8]}) -%}
    {%- endfor -%}
    {{ return(hashes) }}
{%- endmacro -%}

{#- What differs between the definition that made a model's rows and the one of now. -#}
{%- macro what_changed(old, new) -%}
    {%- set changed, variables = [], [] -%}
    {%- for name, hash in new.variables.items() if old.variables.get(name, hash) != hash -%}
        {%- do variables.append(name) -%}
    {%- endfor -%}
    {%- do changed.append("its file") if old.file != new.file -%}
    {%- do changed.append("the variable " ~ variables | join(", ")) if variables -%}
    {{ return((changed or ["a macro, package or setting it uses"]) | join(" and ")) }}
{%- endmacro -%}

{#- Rows that depend on the time or on chance differ with every build. -#}
{%- macro is_volatile(sql) -%}
    {%- set times = "(current_|local)(date|time|timestamp)|(now|today|getdate|sysdate)[(]" -%}
    {%- set chances = "(random|rand|uuid|uuid_string|gen_random_uuid)[(]" -%}
    {{ return(modules.re.search("\\b(" ~ times ~ "|" ~ chances ~ ")", sql | lower) is not none) }}
{%- endmacro -%}
