-- Makes the schema of the raw tables, and the format of the files that land.
-- Safe to run again: what exists is left as it is.

create schema if not exists {{ raw_database }}.{{ raw_schema }} with managed access
comment = 'Amplitude events and the ledger of what was exported';

-- One JSON object a line, gzipped or not. A character that is not valid Unicode is
-- replaced and a repeated key keeps its last value: neither may cost a whole file.
create file format if not exists {{ raw_database }}.{{ raw_schema }}.ndjson
type = json
compression = auto
strip_outer_array = false
allow_duplicate = true
replace_invalid_characters = true
comment = 'Newline-delimited JSON, compression told from the file';
