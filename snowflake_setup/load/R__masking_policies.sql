-- Makes masking policies, and the role that sees what they mask, if the name of that
-- role is set; else it does nothing. Masking policies need Snowflake's Enterprise
-- edition. dbt sets them on the columns of its marts.
-- Safe to run again: an existing policy is left as it is and gets its body again.

{% set types = {"text": "varchar", "number": "float", "object": "variant"} %}
{% if unmasked_role %}
    create role if not exists {{ unmasked_role }}
    comment = 'Reads the marts with personal data as it was exported';
    grant role {{ reader_role }} to role {{ unmasked_role }};
    grant role {{ unmasked_role }} to role {{ setup_role }};
    {% for kind, type in types.items() %}
        create masking policy if not exists
        {{ raw_database }}.{{ raw_schema }}.personal_{{ kind }}
        as(value {{ type }}) returns {{ type }} -> null
        comment = 'Personal data: null for other roles than two';
        alter masking policy {{ raw_database }}.{{ raw_schema }}.personal_{{ kind }}
        set body -> case
            when
                is_role_in_session('{{ unmasked_role | upper }}')
                or is_role_in_session('{{ transformer_role | upper }}')
                then value
        end;
        grant apply
        on masking policy {{ raw_database }}.{{ raw_schema }}.personal_{{ kind }}
        to role {{ transformer_role }};
    {% endfor %}
{% else %}
    select 'no role for unmasked personal data is set' as status;
{% endif %}
