-- Makes the stage: the landing as Snowflake sees it, `events/` and `ledger/` within.
-- A bucket is read through the storage integration; a folder, as the emulator has it,
-- needs none.
-- Safe to run again: an existing stage is left as it is.

create stage if not exists {{ raw_database }}.{{ raw_schema }}.landing
    url = '{{ landing_url }}'
    {% if is_on_s3 %}
        storage_integration = {{ storage_integration }}
    {% endif %}
    comment = 'Everything that ingest has landed';
