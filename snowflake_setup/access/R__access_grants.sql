-- Lets each role use its warehouses, and the models' database.
-- Safe to run again: a grant given twice is one grant.

grant usage on warehouse {{ warehouse }} to role {{ loader_role }};
grant usage on warehouse {{ warehouse }} to role {{ transformer_role }};
grant usage on warehouse {{ dev_warehouse }} to role {{ transformer_role }};
grant usage on warehouse {{ dev_warehouse }} to role {{ reader_role }};

-- dbt makes the schemas below the marts itself, and those of developers and of CI.
grant usage, create schema on database {{ database }} to role {{ transformer_role }};
grant usage, create table, create view
on schema {{ database }}.{{ marts_schema }} to role {{ transformer_role }};

-- Readers see the marts: those that are there, and those to come.
grant usage on database {{ database }} to role {{ reader_role }};
grant usage on schema {{ database }}.{{ marts_schema }} to role {{ reader_role }};
grant select on all tables
in schema {{ database }}.{{ marts_schema }} to role {{ reader_role }};
grant select on future tables
in schema {{ database }}.{{ marts_schema }} to role {{ reader_role }};
grant select on all views
in schema {{ database }}.{{ marts_schema }} to role {{ reader_role }};
grant select on future views
in schema {{ database }}.{{ marts_schema }} to role {{ reader_role }};
