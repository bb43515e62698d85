{#- One build at a time on Snowflake. A table of one row names the build that holds the lock
    and the end of its lease. A build takes the lock if no build holds it or the lease has
    ended, and renews it while it runs. DuckDB's file takes one process.

    Why an update decides, and why in a transaction after another update: Snowflake has no
    unique keys, so two inserts would both succeed. An update of a table blocks every other
    one until its transaction ends, and the next statement of the transaction sees all that
    was committed before that statement began. So of two builds that take the lock at once,
    the second sees what the first has written. -#}
{%- macro build_lock() -%}
    {{ return(build_table("build_lock")) }}
{%- endmacro -%}

{#- The lease that this run holds. Models of all threads share the graph. -#}
{%- macro build_lease() -%}
    {{ return(graph.get("build lease of " ~ invocation_id)) }}
{%- endmacro -%}

{#- At the start of a build, before it reads what is recorded. -#}
{%- macro acquire_build_lock() -%}
    {%- if target.type == "snowflake" -%}
        {%- do create_build_lock() -%}
        {%- set began_at = modules.datetime.datetime.now(modules.pytz.utc) -%}
        {%- set row = update_build_lock(
            "build = '" ~ invocation_id ~ "', began_at = sysdate(), expires_at = "
            ~ lease_end(),
            "build is null or expires_at < sysdate() or "
            ~ (var("override_build_lock") | string | lower)
        ) -%}
        {%- if row.build != invocation_id -%}
            {{ exceptions.raise_compiler_error(
                "Another build of " ~ target.schema ~ " is running: it began at "
                ~ (row.began_at | string)[:16] ~ " and holds the build lock until "
                ~ (row.expires_at | string)[:16] ~ " (UTC), or longer if it is still running then."
                ~ " Wait until it has ended. If it was killed, this build can"
                ~ " start at that time, or at once with"
                ~ " ARGS=\"--vars '{override_build_lock: true}'\""
            ) }}
        {%- endif -%}
        {%- do graph.update({
            "build lease of " ~ invocation_id: {"renewed_at": began_at, "is_lost": false}
        }) -%}
    {%- endif -%}
{%- endmacro -%}

{#- Before a model is built. The client's clock only decides whether to ask Snowflake, which
    it does after a minute, or after a quarter of a short lease. -#}
{%- macro renew_build_lock() -%}
    {%- set lease, now = build_lease(), modules.datetime.datetime.now(modules.pytz.utc) -%}
    {%- if lease -%}
        {%- set seconds = (now - lease.renewed_at).total_seconds() -%}
        {%- set due = seconds < 0 or seconds >= [60, var("build_lock_minutes") * 15] | min -%}
        {%- if due and not lease.is_lost -%}
            {%- set is_own = "build = '" ~ invocation_id ~ "'" -%}
            {%- set row = update_build_lock("expires_at = " ~ lease_end(), is_own) -%}
            {%- do lease.update({"renewed_at": now, "is_lost": row.build != invocation_id}) -%}
        {%- endif -%}
        {%- if lease.is_lost -%}
            {{ exceptions.raise_compiler_error(
                "This build has lost the build lock of " ~ target.schema ~ " to another build,"
                ~ " because its lease of " ~ var("build_lock_minutes")
                ~ " minutes ended or was overridden. It stops here. Build again when the"
                ~ " other build has ended; if one statement takes"
                ~ " longer than the lease, raise the variable build_lock_minutes"
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}

{#- At the end of a build. Another build's lock stays. -#}
{%- macro release_build_lock() -%}
    {%- if execute and build_lease() -%}
        {%- do change_build_lock("build = null", "build = '" ~ invocation_id ~ "'") -%}
    {%- endif -%}
{%- endmacro -%}

{#- Without "if not exists": of two first builds at once, one fails here. -#}
{%- macro create_build_lock() -%}
    {%- set table = build_lock() -%}
    {%- if not adapter.get_relation(table.database, table.schema, table.identifier) -%}
        {%- do adapter.create_schema(table.without_identifier()) -%}
        {%- do run_query(
            "create table " ~ table ~ " as select null::varchar as build, sysdate() as began_at,"
            ~ " sysdate() as expires_at, 0::bigint as change_count"
        ) -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro update_build_lock(changes, condition) -%}
    {%- do change_build_lock(changes, condition) -%}
    {%- set row = run_query("select build, began_at, expires_at from " ~ build_lock()).rows[0] -%}
    {{ return({"build": row[0], "began_at": row[1], "expires_at": row[2]}) }}
{%- endmacro -%}

{%- macro change_build_lock(changes, condition) -%}
    {%- set update = "update " ~ build_lock() ~ " set " -%}
    {%- do run_query(run_atomically([
        update ~ "change_count = change_count + 1",
        update ~ changes ~ " where " ~ condition,
    ])) -%}
{%- endmacro -%}

{#- By Snowflake's clock. -#}
{%- macro lease_end() -%}
    dateadd('millisecond', {{ (var("build_lock_minutes") * 60000) | int }}, sysdate())
{%- endmacro -%}
