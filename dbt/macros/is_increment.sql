{%- macro is_increment() -%}
    {{ return(is_incremental() and builds().is_whole) }}
{%- endmacro -%}
