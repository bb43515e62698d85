-- Makes the pipe that loads every new ledger file once, as it arrives; the pipe of the
-- events is in V1.4.0__event_lines.sql.
-- Safe to run again, and never to be replaced: a new pipe has forgotten which files
-- it has loaded.
-- A file with a fault is skipped whole (skip_file). METADATA$START_SCAN_TIME has the
-- session's time zone, so it is turned to UTC.

create pipe if not exists {{ raw_database }}.{{ raw_schema }}.ledger_pipe
auto_ingest = true
comment = 'Loads ledger/ into the table ledger'
as
copy into {{ raw_database }}.{{ raw_schema }}.ledger (
    raw_json,
    filename,
    file_row_number,
    loaded_at
)
from (
    select
        $1,
        metadata$filename,
        metadata$file_row_number,
        convert_timezone('UTC', metadata$start_scan_time)::timestamp_ntz as loaded_at
    from @{{ raw_database }}.{{ raw_schema }}.landing/ledger/
)
file_format = (format_name = '{{ raw_database }}.{{ raw_schema }}.ndjson')
pattern = '.*[.]json'
on_error = 'skip_file';
