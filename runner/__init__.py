"""Commands around dbt: `make dbt-build`, `make query`, and the demo's steps.

`settings` reads settings.yml, `duckdb_file` lets one build at a time use DuckDB's file,
`__main__` runs dbt with both, `query` runs SQL, `summary` reports the result of a run,
`webhook` posts it, `with_token` signs in from GitHub Actions, and `dbt_packages`
installs dbt_utils.
"""
