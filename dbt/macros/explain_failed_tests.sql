{%- macro explain_failed_tests(results) -%}
    {%- for result in results if execute and result.status in ["fail", "warn"] and result.node.config.meta.get("row") -%}
        {%- set meta = result.node.config.meta -%}
        {%- set found = run_query("select " ~ meta["row"] ~ " from (" ~ result.node.compiled_code ~ ") as failed order by 1 limit 3") -%}
        {%- do log(result.node.name ~ ": " ~ found.columns[0].values() | join("; ") ~ ". " ~ meta["advice"], info=true) -%}
    {%- endfor -%}
{%- endmacro -%}
