-- Makes the role that owns all the others make: databases, integration, stage, pipes.
-- Run as accountadmin, which is needed for the privileges on the account; everything
-- after this folder runs as the role made here.
-- Safe to run again: what exists is left, and a grant given twice is one grant.

create role if not exists {{ setup_role }}
comment = 'Owns what snowflake_setup makes, and deploys it';

-- To make the databases, the roles and the CI user, and the storage integration.
grant create database, create role, create user, create integration
on account to role {{ setup_role }};

-- The database of raw data, made before anything else because it holds the history of
-- these files, and the history itself.
grant ownership on database {{ raw_database }}
to role {{ setup_role }} copy current grants;
grant usage on schema {{ raw_database }}.schemachange to role {{ setup_role }};
grant select, insert on table {{ raw_database }}.schemachange.change_history
to role {{ setup_role }};

-- Administrators of objects may act as the setup role, and so may the deploying user.
grant role {{ setup_role }} to role sysadmin;
grant role {{ setup_role }} to user {{ deploying_user }};
