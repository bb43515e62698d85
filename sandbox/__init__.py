"""What stands in for the accounts, a folder for each service.

`amplitude`: the sample export, and the Export API over it. `aws`: S3, CloudFormation,
IAM and queues. `snowflake`: an emulator on DuckDB. `cloud` joins the last two. `demo`
is what `make demo` runs, `verify_account` what `make verify-account` runs on real
accounts, and `dbt_utils` stands in for the package where dbt's hub cannot be reached.
"""
