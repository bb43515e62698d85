"""What fakesnow 0.12 does more often than it has to, done once.

Importing this module changes fakesnow in place. Nothing here changes an answer.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import fakesnow.cursor
import fakesnow.dialect
import fakesnow.server
from sqlglot import exp

# The server parses each statement, and then the cursor does; builds repeat many.
parsed = lru_cache(maxsize=500)(fakesnow.dialect.parse_one)


def parsed_copy(command: str) -> exp.Expr:
    """One that the cursor may change; the server only looks."""
    return parsed(command).copy()


fakesnow.server.parse_one = parsed
fakesnow.cursor.parse_one = parsed_copy


def describe_last_sql(cursor: fakesnow.cursor.FakeSnowflakeCursor) -> list:
    """fakesnow parses the SQL that it has just written, to write it again."""
    described = f"DESCRIBE {cursor._last_sql}"
    return cursor._duck_conn.execute(described, cursor._last_params).fetchall()


fakesnow.cursor.FakeSnowflakeCursor._describe_last_sql = describe_last_sql

# Transforms of fakesnow that change a statement of one kind: Show, Create, Alter and
# the like, which are in no other statement.
OF_STATEMENTS = {
    "alter_session",
    "alter_table_strip_cluster_by",
    "create_clone",
    "create_database",
    "create_file_format",
    "create_stage",
    "create_table_as",
    "create_user",
    "drop_schema_cascade",
    "extract_comment_on_columns",
    "extract_comment_on_table",
    "extract_text_length",
    "list_stage",
    "put_stage",
    "set_schema",
    "show_columns",
    "show_databases",
    "show_functions",
    "show_keys",
    "show_parameters",
    "show_procedures",
    "show_schemas",
    "show_sequences",
    "show_stages",
    "show_tables_etc",
    "show_users",
    "show_warehouses",
    "tag",
    "update_variables",
}


class Statement:
    """A statement on its way through fakesnow's 70 transforms: those of statements
    need not visit every node."""

    def __init__(self, tree: exp.Expr) -> None:
        self.tree = tree

    def transform(self, function: Callable, copy: bool, **given: Any) -> "Statement":
        name = function.__name__
        if name == "<lambda>":
            # lambda e: transforms.show_schemas(e, …)
            name = function.__code__.co_names[1]
        if name in OF_STATEMENTS:
            self.tree = function(self.tree, **given)
        else:
            self.tree = self.tree.transform(function, copy=copy, **given)
        return self
