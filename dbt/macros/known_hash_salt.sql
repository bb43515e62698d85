{%- macro known_hash_salt() -%}
    {%- set found = load_relation(hash_salt()) -%}
    {{ return((run_query("select max(salt) from " ~ hash_salt()).rows[0][0] if found) or "") }}
{%- endmacro -%}
