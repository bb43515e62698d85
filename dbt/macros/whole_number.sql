{#- The first case is the usual one, and costs a third of the other. -#}
{%- macro whole_number(text) -%}
    case
        when
            length({{ text }}) <= 18 and try_cast({{ text }} as bigint)::varchar = {{ text }}
            then try_cast({{ text }} as bigint)
        when {{ number(text) }} = floor({{ number(text) }}) then ({{ number(text) }})::bigint
    end
{%- endmacro -%}
