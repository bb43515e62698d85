"""Transactions as Snowflake documents them, for the emulator.

The rules are those of the pages "Transactions" (docs.snowflake.com/en/sql-reference/
transactions) and "Parameters" (TRANSACTION_ABORT_ON_ERROR). DuckDB's differ: there DDL
is part of a transaction, a second BEGIN fails, and the first error aborts everything.

What remains different: within a transaction a statement sees what was committed before
the transaction began, not before the statement (DuckDB has no READ COMMITTED). After
an error DuckDB cannot go on, so the statements that have succeeded are run again in a
new transaction, which gives other values of random() and the like, and sees what others
have committed meanwhile. The same happens while a transaction waits for another, which
so can take the locks of the one that waits. Sessions with AUTOCOMMIT = FALSE are left
to fakesnow.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import duckdb
from snowflake.connector.errors import Error

from sandbox.snowflake.account import setting
from sandbox.snowflake.copy import refusal
from sandbox.snowflake.hooks import DONE, Cursor, answers, replaces
from sandbox.snowflake.statements import account_objects

# Seconds for which a statement waits for another session that writes the same rows.
# Snowflake's LOCK_TIMEOUT is twelve hours.
LOCK_TIMEOUT = 20


@dataclass
class Transaction:
    """An explicit transaction: the statements that changed something, and whether an
    error has aborted it."""

    statements: list[tuple[str, tuple, dict[str, Any]]] = field(default_factory=list)
    is_aborted: bool = False


COMMENTS = r"\s*(?:(?:/\*.*?\*/|--[^\n]*\n)\s*)*"
END = r"\s*;?\s*(?:/\*[^/]*\*/\s*;?\s*)?\Z"
BEGIN = r"(?:begin(?:\s+(?:work|transaction))?|start\s+transaction)(?:\s+name\s+\w+)?"
# ALTER SESSION and CREATE of what goes with the session alone define no object; but
# Snowflake's temporary tables are objects as others.
KINDS = {
    "begin": re.compile(COMMENTS + BEGIN + END, re.I | re.S),
    "end": re.compile(COMMENTS + r"(?:commit|rollback)(?:\s+work)?" + END, re.I | re.S),
    "ddl": re.compile(
        COMMENTS
        + r"(?:(?:create|drop|undrop|comment|grant|revoke)|alter(?!\s+session))\b",
        re.I | re.S,
    ),
    "dml": re.compile(
        COMMENTS + r"(?:insert|update|delete|merge|truncate|copy)\b", re.I | re.S
    ),
}


def kind_of(statement: str) -> str:
    for kind, pattern in KINDS.items():
        if pattern.match(statement):
            return kind
    return "query"


def transaction_of(cursor: Cursor) -> Transaction | None:
    """The explicit transaction that is open in the cursor's session."""
    return getattr(cursor._conn, "transaction", None)


@replaces(Cursor, "execute")
def execute(original: Callable, cursor: Cursor, command: str, *args: Any, **kw: Any):
    """Run a statement by Snowflake's rules of transactions.

    A BEGIN inside of a transaction is ignored. A DDL statement commits the open
    transaction and is one of its own. A statement that fails is undone alone: "the
    transaction stays active until the entire transaction is committed or rolled back".
    """
    if not cursor._conn._autocommit:
        return original(cursor, command, *args, **kw)
    kind, transaction = kind_of(command), transaction_of(cursor)
    if kind == "begin":
        if transaction:
            return original(cursor, DONE)
        original(cursor, "begin")
        cursor._conn.transaction = Transaction()
        return cursor
    if kind == "end":
        cursor._conn.transaction = None
        is_aborted = transaction is not None and transaction.is_aborted
        return original(cursor, "rollback" if is_aborted else command)
    if transaction and transaction.is_aborted:
        raise refusal(
            "The transaction was aborted by an error: end it with COMMIT or ROLLBACK.",
            90275,
            "25000",
        )
    if transaction and kind == "ddl":
        cursor._conn.transaction = None
        original(cursor, "commit")
    if not transaction or kind == "ddl":
        return wait_for_lock(original, cursor, command, *args, **kw)
    try:
        wait_for_lock(original, cursor, command, *args, **kw)
    except Error:
        if aborts_on_error(cursor):
            transaction.is_aborted = True
        else:
            restore(original, cursor)
        raise
    if kind == "dml":
        transaction.statements.append((command, args, kw))
    return cursor


def restore(original: Callable, cursor: Cursor) -> None:
    """If DuckDB has aborted the transaction: begin another with the same statements."""
    transaction = transaction_of(cursor)
    try:
        cursor._duck_conn.execute("select 1")
    except duckdb.TransactionException:
        original(cursor, "rollback")
        original(cursor, "begin")
        for command, args, kw in transaction.statements if transaction else ():
            original(cursor, command, *args, **kw)


def wait_for_lock(
    original: Callable, cursor: Cursor, command: str, *args: Any, **kw: Any
):
    """A statement waits until another session has committed what it wants to change;
    DuckDB raises at once."""
    gives_up_at = time.monotonic() + LOCK_TIMEOUT
    is_waiting = False
    while True:
        try:
            if is_waiting and transaction_of(cursor):
                restore(original, cursor)
            return original(cursor, command, *args, **kw)
        except Error as error:
            conflicts = "conflict" in str(error).lower()
            is_of_duckdb = isinstance(error.__cause__, duckdb.TransactionException)
            if not (conflicts and is_of_duckdb) or time.monotonic() > gives_up_at:
                raise
        is_waiting = True
        time.sleep(0.02)


def aborts_on_error(cursor: Cursor) -> bool:
    """TRANSACTION_ABORT_ON_ERROR, of the session or else of its user: after an error in
    a transaction every statement fails until COMMIT or ROLLBACK, and either undoes the
    whole transaction. The default is FALSE."""
    of_session = session_parameters(cursor).get("transaction_abort_on_error")
    if of_session is not None:
        return of_session.lower() == "true"
    user = "USER", getattr(cursor._conn, "user", "").upper()
    if user not in account_objects:
        return False
    return setting(user, "transaction_abort_on_error").lower() == "true"


# Blanks, commas or new lines lie between parameters:
# https://docs.snowflake.com/en/sql-reference/sql/alter-session
PARAMETER = r"(?P<name>(?!query_tag\b)\w+)\s*=\s*(?P<value>'[^']*'|\w+)"


@answers(rf"alter\s+session\s+set\s+(?P<all>(?:{PARAMETER}[\s,]*)+)")
def set_session_parameters(cursor: Cursor, match: re.Match) -> list[str]:
    """They are remembered; DuckDB heeds none of them."""
    parameters = session_parameters(cursor)
    for one in re.finditer(PARAMETER, match["all"], re.I):
        parameters[one["name"].lower()] = one["value"].strip("'")
    return [DONE]


@answers(r"alter\s+session\s+unset\s+(?P<names>(?!query_tag\b)\w+(?:\s*,\s*\w+)*)")
def unset_session_parameters(cursor: Cursor, match: re.Match) -> list[str]:
    """Gives back the user's values."""
    for name in re.findall(r"\w+", match["names"]):
        session_parameters(cursor).pop(name.lower(), None)
    return [DONE]


def session_parameters(cursor: Cursor) -> dict[str, str]:
    """What ALTER SESSION has set in the cursor's session, by lower-case name."""
    connection = cursor._conn
    if not hasattr(connection, "session_parameters_set"):
        connection.session_parameters_set = {}
    return connection.session_parameters_set
