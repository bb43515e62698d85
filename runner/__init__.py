"""What makes dbt easy to run: `make dbt-build`, `make query`, and the demo's steps.

`settings` reads settings.yml, `duckdb_file` lets one build at a time use DuckDB's file,
`__main__` runs dbt with both, `query` answers SQL, `summary` says what a run came to,
and `dbt_packages` installs dbt_utils.
"""
