-- Makes a role for each job: loading, modelling, reading. What each may do is in
-- R__access_grants.sql and R__load_grants.sql.
-- Safe to run again: an existing role is left as it is.

create role if not exists {{ loader_role }}
comment = 'Watches and repairs the load of raw: make wait-loaded, make load-missing';

create role if not exists {{ transformer_role }}
comment = 'Reads raw, builds models: dbt';

create role if not exists {{ reader_role }}
comment = 'Reads the marts: reports and people';

-- So that administrators see what the roles make.
grant role {{ loader_role }} to role {{ setup_role }};
grant role {{ transformer_role }} to role {{ setup_role }};
grant role {{ reader_role }} to role {{ setup_role }};
