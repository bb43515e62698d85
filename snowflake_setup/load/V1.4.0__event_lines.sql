-- Loads each exported line as text, so that no line can keep its file out: a line that
-- is not JSON, or that holds half of a surrogate pair, is a row like any other. dbt
-- parses the text. Rows loaded before stay in raw_json; new rows are in raw_line.
-- Safe to run again: an existing column, format or pipe is left as it is. Files that
-- arrive while the pipes change hands are found by `make load-missing`.

alter table {{ raw_database }}.{{ raw_schema }}.events
add column if not exists raw_line varchar
comment 'The exported line, to the letter';

-- One line is one value: no character separates, quotes or escapes anything. Bytes that
-- are not UTF-8 become U+FFFD.
create file format if not exists {{ raw_database }}.{{ raw_schema }}.lines
type = csv
compression = auto
record_delimiter = '\n'
field_delimiter = none
field_optionally_enclosed_by = none
escape = none
escape_unenclosed_field = none
skip_blank_lines = true
trim_space = false
null_if = ()
empty_field_as_null = false
error_on_column_count_mismatch = false
replace_invalid_characters = true
comment = 'Text, a value a line, compression detected from the file';

drop pipe if exists {{ raw_database }}.{{ raw_schema }}.events_pipe;

-- A line longer than the column is cut (truncatecolumns): it is then not JSON, and dbt
-- reports it. METADATA$START_SCAN_TIME has the session's time zone, so it is turned to
-- UTC.
create pipe if not exists {{ raw_database }}.{{ raw_schema }}.event_lines_pipe
auto_ingest = true
comment = 'Loads the lines of events/ into the table events'
as
copy into {{ raw_database }}.{{ raw_schema }}.events (
    raw_line,
    filename,
    file_row_number,
    file_content_key,
    file_last_modified,
    loaded_at
)
from (
    select
        $1,
        metadata$filename,
        metadata$file_row_number,
        metadata$file_content_key,
        metadata$file_last_modified,
        convert_timezone('UTC', metadata$start_scan_time)::timestamp_ntz as loaded_at
    from @{{ raw_database }}.{{ raw_schema }}.landing/events/
)
file_format = (format_name = '{{ raw_database }}.{{ raw_schema }}.lines')
pattern = '.*[.]json([.]gz)?'
truncatecolumns = true
on_error = 'skip_file';
