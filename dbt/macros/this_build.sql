{%- macro this_build() -%} {{ return(builds().last + 1) }} {%- endmacro -%}
