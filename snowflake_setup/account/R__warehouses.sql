-- Makes the two warehouses and the monitor that stops them when the month's credits are
-- used up. Run as accountadmin: no other role may make a monitor or assign one. What
-- runs without a warehouse, the pipes and the clustering, no monitor can stop.
-- Safe to run again; runs again when a size or the credits change.

create resource monitor if not exists {{ resource_monitor }} with
credit_quota = {{ monthly_credits }}
triggers
on 75 percent do notify
on 100 percent do suspend
on 110 percent do suspend_immediate;

alter resource monitor {{ resource_monitor }} set credit_quota = {{ monthly_credits }};

-- Production: the load watch and dbt's scheduled builds.
create warehouse if not exists {{ warehouse }}
warehouse_size = {{ warehouse_size }}
auto_suspend = 60
auto_resume = true
initially_suspended = true
comment = 'Scheduled runs of the Amplitude warehouse';

alter warehouse {{ warehouse }} set
warehouse_size = {{ warehouse_size }}
auto_suspend = 60
resource_monitor = {{ resource_monitor }}
statement_timeout_in_seconds = 7200;

-- People's own schemas and pull requests: the smallest there is.
create warehouse if not exists {{ dev_warehouse }}
warehouse_size = xsmall
auto_suspend = 60
auto_resume = true
initially_suspended = true
comment = 'Development and pull requests of the Amplitude warehouse';

alter warehouse {{ dev_warehouse }} set
warehouse_size = xsmall
auto_suspend = 60
resource_monitor = {{ resource_monitor }}
statement_timeout_in_seconds = 3600;

-- The setup role hands the warehouses on to the roles that it makes.
grant usage on warehouse {{ warehouse }}
to role {{ setup_role }} with grant option;
grant usage on warehouse {{ dev_warehouse }}
to role {{ setup_role }} with grant option;
