{#- DuckDB's file takes one process anyway. No build takes half a day. -#}
{%- macro claim_build() -%}
    {%- if execute and target.type != "duckdb" and flags.WHICH in ["run", "build"] -%}
        {%- set long_ago = run_started_at - modules.datetime.timedelta(hours=12) -%}
        {%- do run_query("create table if not exists " ~ running_builds() ~ " (invocation_id varchar, started_at timestamp)") -%}
        {%- do run_query("delete from " ~ running_builds() ~ " where " ~ var("other_build_is_dead") ~ " or started_at < '" ~ long_ago.strftime("%F %T") ~ "'") -%}
        {%- do run_query("insert into " ~ running_builds() ~ " values ('" ~ invocation_id ~ "', '" ~ run_started_at.strftime("%F %T.%f") ~ "')") -%}
        {%- do refuse_second_build() -%}
    {%- endif -%}
{%- endmacro -%}
