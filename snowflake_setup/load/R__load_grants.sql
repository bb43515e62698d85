-- Lets the loader watch and repair the load, and dbt read what is loaded.
-- Safe to run again: a grant given twice is one grant.

-- The loader: counts rows, asks pipes how they are, has them look again, and copies
-- what is too old for them. It can change or delete nothing.
grant usage on database {{ raw_database }} to role {{ loader_role }};
grant usage on schema {{ raw_database }}.{{ raw_schema }} to role {{ loader_role }};
grant select, insert
on table {{ raw_database }}.{{ raw_schema }}.events to role {{ loader_role }};
grant select, insert
on table {{ raw_database }}.{{ raw_schema }}.ledger to role {{ loader_role }};
grant usage
on stage {{ raw_database }}.{{ raw_schema }}.landing to role {{ loader_role }};
grant usage
on file format {{ raw_database }}.{{ raw_schema }}.ndjson to role {{ loader_role }};
grant usage
on file format {{ raw_database }}.{{ raw_schema }}.lines to role {{ loader_role }};
grant monitor, operate
on pipe {{ raw_database }}.{{ raw_schema }}.event_lines_pipe to role {{ loader_role }};
grant monitor, operate
on pipe {{ raw_database }}.{{ raw_schema }}.ledger_pipe to role {{ loader_role }};

-- dbt: reads the two tables.
grant usage on database {{ raw_database }} to role {{ transformer_role }};
grant usage
on schema {{ raw_database }}.{{ raw_schema }} to role {{ transformer_role }};
grant select
on table {{ raw_database }}.{{ raw_schema }}.events to role {{ transformer_role }};
grant select
on table {{ raw_database }}.{{ raw_schema }}.ledger to role {{ transformer_role }};
