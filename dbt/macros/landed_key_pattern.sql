{%- macro landed_key_pattern(folder) -%}
    {{ return(folder ~ "/[^/]+/[0-9]{4}-[0-9]{2}-[0-9]{2}/" ~ {"events": "[0-9]{2}/[^/]+[.]json([.]gz)?", "ledger": "[^/]+[.]json"}[folder]) }}
{%- endmacro -%}
