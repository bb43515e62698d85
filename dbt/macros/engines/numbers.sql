{#- Sums of numbers below 10^15 fit into decimal(28, 9), by which money is added up. -#}
{%- macro number(text) -%}
    case
        when
            {{ matches(text, "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?") }}
            and abs(try_cast({{ text }} as double)) < 1e15
            then try_cast({{ text }} as double)
    end
{%- endmacro -%}

{#- The first case is the usual one, and costs a third of the other. -#}
{%- macro whole_number(text) -%}
    case
        when
            length({{ text }}) <= 18 and try_cast({{ text }} as bigint)::varchar = {{ text }}
            then try_cast({{ text }} as bigint)
        when {{ number(text) }} = floor({{ number(text) }}) then ({{ number(text) }})::bigint
    end
{%- endmacro -%}

{%- macro md5_number(value) -%} {{ return(adapter.dispatch("md5_number")(value)) }} {%- endmacro -%}

{%- macro snowflake__md5_number(value) -%} md5_number_lower64({{ value }}) {%- endmacro -%}

{#- md5_number_lower takes the bytes in another order, and more time. -#}
{%- macro duckdb__md5_number(value) -%}
    ('0x' || right(md5({{ value }}), 16))::ubigint
{%- endmacro -%}

{%- macro unnest_numbers(count) -%}
    {{ return(adapter.dispatch("unnest_numbers")(count)) }}
{%- endmacro -%}

{%- macro snowflake__unnest_numbers(count) -%}
    lateral flatten(input => array_generate_range(0, {{ count }})) as item
{%- endmacro -%}

{%- macro duckdb__unnest_numbers(count) -%}
    unnest(range({{ count }})) as item (value)
{%- endmacro -%}

{#- Whole microseconds add up to the same sum in any order, on either target. -#}
{%- macro average_seconds(seconds) -%}
    sum(round({{ seconds }} * 1000000)::bigint)::double
        / nullif(count({{ seconds }}) * 1000000, 0)::double
{%- endmacro -%}

{%- macro median_seconds(seconds) -%}
    median(round({{ seconds }} * 1000000)::bigint)::double / 1000000::double
{%- endmacro -%}
