{#- One build at a time in a schema. DuckDB's file takes one process anyway. On Snowflake a
    build holds the only row of a table: two UPDATEs of it never run at the same time. A
    build that was killed holds it until its lease ends. All times are the warehouse's. -#}
{%- macro build_lock() -%}
    {{ return(api.Relation.create(target.database, target.schema ~ "_staging", "build_lock")) }}
{%- endmacro -%}

{%- macro needs_build_lock() -%}
    {{ return(execute and target.type == "snowflake" and is_recorded_command()) }}
{%- endmacro -%}

{%- macro acquire_build_lock() -%}
    {%- if needs_build_lock() -%}
        {%- set lock, seconds = build_lock(), (var("build_lock_minutes") * 60) | round | int -%}
        {%- if not adapter.get_relation(lock.database, lock.schema, lock.identifier) -%}
            {%- do adapter.create_schema(lock.without_identifier()) -%}
            {%- do run_query(
                "create table if not exists " ~ lock ~ " as select null::varchar as holder,"
                ~ " null::timestamp_ntz as renewed_at"
            ) -%}
        {%- endif -%}
        {%- set is_free -%}
            holder is null
            or renewed_at < dateadd(second, -{{ seconds }}, sysdate())
            or {{ var("override_build_lock") }}
        {%- endset -%}
        {%- if not update_build_lock("'" ~ invocation_id ~ "'", is_free) -%}
            {%- set renewed_at = run_query("select renewed_at from " ~ lock).rows[0][0] -%}
            {{ exceptions.raise_compiler_error(
                "Another build of " ~ target.schema ~ " is running: it last renewed its lock at "
                ~ renewed_at ~ " UTC. Wait for it. If it was killed, its lock ends "
                ~ var("build_lock_minutes") ~ " minutes after that time; to end it now:"
                ~ " ARGS=\"--vars '{override_build_lock: true}'\""
            ) }}
        {%- endif -%}
        {%- do graph.update({"build lock renewed": [modules.datetime.datetime.now()]}) -%}
    {%- endif -%}
{%- endmacro -%}

{#- At the start of a model, at most once a minute. A build that was stopped for longer than
    its lease may have lost the lock to another build: then it must not write on. -#}
{%- macro renew_build_lock() -%}
    {%- set renewals, now = graph.get("build lock renewed"), modules.datetime.datetime.now() -%}
    {%- set seconds = [60, var("build_lock_minutes") * 60 / 4] | min -%}
    {%- if renewals and (now - renewals[-1]).total_seconds() > seconds -%}
        {%- do renewals.append(now) -%}
        {%- if not update_build_lock("holder", "holder = '" ~ invocation_id ~ "'") -%}
            {%- do renewals.append(modules.datetime.datetime.min) -%}
            {{ exceptions.raise_compiler_error(
                "This build has lost its lock to another build of " ~ target.schema
                ~ ", because it did not renew it for " ~ var("build_lock_minutes")
                ~ " minutes or the lock was overridden. Run it again when the other has ended"
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro release_build_lock() -%}
    {%- if needs_build_lock() and graph.get("build lock renewed") -%}
        {%- do update_build_lock("null", "holder = '" ~ invocation_id ~ "'") -%}
    {%- endif -%}
{%- endmacro -%}

{#- Whether the row was updated. -#}
{%- macro update_build_lock(holder, condition) -%}
    {%- set updated = run_query(
        "update " ~ build_lock() ~ " set holder = " ~ holder ~ ", renewed_at = sysdate() where "
        ~ condition
    ) -%}
    {{ return(updated.rows[0][0] | int > 0) }}
{%- endmacro -%}
