{#- Sums of numbers below 10^15 fit into decimal(28, 9), by which money is added up. -#}
{%- macro number(text) -%}
    case
        when
            {{ matches(text, "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?") }}
            and abs(try_cast({{ text }} as double)) < 1e15
            then try_cast({{ text }} as double)
    end
{%- endmacro -%}
