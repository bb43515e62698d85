{#- Both look after both have said so: of two at once at least the later one sees the other. -#}
{%- macro refuse_second_build() -%}
    {%- set first = run_query("select invocation_id, started_at from " ~ running_builds() ~ " order by started_at, invocation_id limit 1").rows[0] -%}
    {%- if first[0] != invocation_id -%}
        {%- do run_query(release_build()) -%}
        {{ exceptions.raise_compiler_error("Another build of " ~ target.schema ~ " began at " ~ first[1] ~ " UTC and has not ended. Wait for it; or if it was killed: ARGS=\"--vars '{other_build_is_dead: true}'\"") }}
    {%- endif -%}
{%- endmacro -%}
