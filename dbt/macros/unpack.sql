{%- macro unpack(object, columns, prefix="") -%}
    {%- for column in columns -%}
        {{ object }}['{{ column }}']::varchar as {{ prefix }}{{ column }}{{ ",\n        " if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}
