{%- macro check_hash_salt(given, kept) -%}
    {%- if given | length < 16 -%}
        {{ exceptions.raise_compiler_error("HASH_SALT must have 16 characters or more, because personal_columns hashes columns: put the output of `openssl rand -hex 32` into .env, and keep it secret and the same") }}
    {%- elif kept not in ["", given] and not flags.FULL_REFRESH -%}
        {{ exceptions.raise_compiler_error("HASH_SALT is not the one that this warehouse was built with, so that equal values would get different hashes: set it back, or build all models with --full-refresh") }}
    {%- endif -%}
{%- endmacro -%}
