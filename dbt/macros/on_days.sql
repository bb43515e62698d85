{%- macro on_days(query, column="occurred_date") -%}
    {%- set found = run_query(query).columns[0].values() if execute and is_increment() else [] -%}
    {%- set days, conditions = found | reject("none") | list, [] -%}
    {%- do conditions.append(column ~ " is null") if none in found -%}
    {%- do conditions.append(column ~ " " ~ among(days)) if days -%}
    ({{ conditions | join(" or ") or (not is_increment()) }})
{%- endmacro -%}
