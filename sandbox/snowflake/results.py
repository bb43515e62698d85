"""Results and descriptions that fakesnow gets wrong."""

from __future__ import annotations

from collections.abc import Callable
from string import Template
from typing import Any

import fakesnow.arrow
import fakesnow.cursor
import fakesnow.info_schema
import fakesnow.macros
import fakesnow.server
import fakesnow.transforms
import fakesnow.transforms.transforms
import fakesnow.variables
import pyarrow

from sandbox.snowflake.hooks import replaces


@replaces(fakesnow.arrow, "timestamp_to_sf_struct")
def keep_null_timestamps(original: Callable, timestamps: Any) -> pyarrow.Array:
    """A null timestamp arrives as null; from fakesnow it arrives as 1970-01-01."""
    if isinstance(timestamps, pyarrow.ChunkedArray):
        timestamps = timestamps.combine_chunks()
    answer = original(timestamps)
    return pyarrow.StructArray.from_arrays(
        answer.flatten(), fields=list(answer.type), mask=timestamps.is_null()
    )


@replaces(fakesnow.info_schema, "per_db_creation_sql")
def list_views_as_tables(original: Callable, catalog: str) -> str:
    """information_schema.tables holds views too: dbt's catalog reads them there."""
    relations = """from (
        select database_name, schema_name, table_name, estimated_size,
            'BASE TABLE' as kind
        from duckdb_tables
        union all
        select database_name, schema_name, view_name, null, 'VIEW'
        from duckdb_views where not internal
    ) tables"""
    return (
        original(catalog)
        .replace("from duckdb_tables tables", relations)
        .replace("'BASE TABLE' AS", "tables.kind AS")
    )


@replaces(fakesnow.info_schema, "fs_global_creation_sql")
def call_hugeint_a_number(original: Callable) -> str:
    """Sums of integers are NUMBER; DuckDB's HUGEINT shows through."""
    bigint, either = "data_type='BIGINT'", "data_type in ('BIGINT', 'HUGEINT')"
    return original().replace(bigint, either)


@replaces(fakesnow.info_schema, "insert_table_comment_sql")
def quote_table_comment(
    original: Callable, catalog: str, schema: str, table: str, comment: str | None
) -> str:
    """A comment may hold an apostrophe; a table with other properties may have none."""
    if comment is None:
        return "select 1"
    return original(catalog, schema, table, comment.replace("'", "''"))


def describe_any_database() -> None:
    """`describe table other.s.t`: fakesnow looks in the current database only."""
    module = fakesnow.transforms.transforms
    module.SQL_DESCRIBE_TABLE = Template(
        module.SQL_DESCRIBE_TABLE.template.replace(
            "FROM _fs_information_schema.", "FROM _fs_global._fs_information_schema."
        )
    )


describe_any_database()
