-- Makes the two raw tables: one row per landed line, as it came, with its lineage.
-- Safe to run again: an existing table keeps its rows and its load history.

create table if not exists {{ raw_database }}.{{ raw_schema }}.events (
    raw_json variant comment 'The exported event, of rows loaded before raw_line',
    filename varchar comment 'Path of the file in the bucket',
    file_row_number number comment 'Number of the line in its file, from 1',
    file_content_key varchar comment 'Checksum of the file',
    file_last_modified timestamp_ntz comment 'When the file was landed, UTC',
    loaded_at timestamp_ntz comment 'When the line was loaded, UTC'
)
comment = 'One row per exported line, loaded by event_lines_pipe';

create table if not exists {{ raw_database }}.{{ raw_schema }}.ledger (
    raw_json variant comment 'What a run settled about one upload hour',
    filename varchar comment 'Path of the file in the bucket',
    file_row_number number comment 'Number of the line in its file, from 1',
    loaded_at timestamp_ntz comment 'When the line was loaded, UTC'
)
comment = 'One row per hour that an ingest run settled, loaded by ledger_pipe';
