{%- macro last_build() -%} {{ return(builds().last) }} {%- endmacro -%}
