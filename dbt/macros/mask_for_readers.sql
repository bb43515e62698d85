{#- A rebuilt table or view has lost its policies. -#}
{%- macro mask_for_readers(relation_type, columns) -%}
    {%- set hooks = [] -%}
    {%- if target.type == "snowflake" and env_var("SNOWFLAKE_UNMASKED_ROLE", "") -%}
        {%- set schema = env_var("SNOWFLAKE_RAW_DATABASE", "raw") ~ "." ~ env_var("SNOWFLAKE_RAW_SCHEMA", "amplitude") -%}
        {%- for column, kind in columns.items() -%}
            {%- do hooks.append("alter " ~ relation_type ~ " {{ this }} modify column " ~ column ~ " set masking policy " ~ schema ~ ".personal_" ~ kind ~ " force") -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(hooks) }}
{%- endmacro -%}
