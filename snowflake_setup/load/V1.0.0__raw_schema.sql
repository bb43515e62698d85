-- Makes the raw database, its schema, and the format of the files that land.
-- Safe to run again: what exists is left as it is.

create database if not exists {{ raw_database }}
comment = 'Data as it was delivered, before any model touches it';

create schema if not exists {{ raw_database }}.{{ raw_schema }}
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
