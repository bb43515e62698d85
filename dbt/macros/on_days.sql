{%- macro on_days(query, column="occurred_date") -%}
    {%- set found = run_query(query).columns[0].values() if execute and is_increment() else [] -%}
    {%- set days, conditions = found | reject("none") | sort, [] -%}
    {%- do conditions.append(column ~ " is null") if none in found -%}
    {%- if days | length > 400 -%}
        {%- do conditions.append(column ~ " between '" ~ days[0] ~ "'::date and '" ~ days[-1] ~ "'::date") -%}
    {%- elif days -%}
        {%- do conditions.append(column ~ " in ('" ~ days | join("'::date, '") ~ "'::date)") -%}
    {%- endif -%}
    ({{ conditions | join(" or ") or (not is_increment()) }})
{%- endmacro -%}
