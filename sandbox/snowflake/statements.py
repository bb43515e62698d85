"""Statements that fakesnow refuses, answered by other SQL."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from snowflake.connector.errors import Error
from sqlglot import exp

from sandbox.snowflake.copy import PIPE, PREFIX, refusal
from sandbox.snowflake.hooks import (
    DONE,
    STATEMENT_SHIMS,
    Cursor,
    answers,
    replaces,
    rows,
)


@answers(r"alter\s+session\s+(?:set\s+query_tag\s*=\s*'(?P<tag>.*)'|unset\s+query_tag)")
def set_query_tag(cursor: Cursor, match: re.Match) -> list[str]:
    """dbt and schemachange tag their queries."""
    cursor._conn.query_tag = match["tag"] or ""
    return [DONE]


@answers(r"show\s+parameters\s+like\s+'query_tag'\s+in\s+session")
def show_query_tag(cursor: Cursor, match: re.Match) -> list[str]:
    """dbt asks for the tag, to put it back."""
    tag = getattr(cursor._conn, "query_tag", "")
    return [rows(["key", "value"], ("QUERY_TAG", tag))]


# Integrations and pipes: (kind, full name) and the statement that made each. They are
# remembered and shown again; a pipe is run by REFRESH only, an integration never.
account_objects: dict[tuple[str, str], str] = {}
SYSTEM_ROLES = {"ACCOUNTADMIN", "SYSADMIN", "USERADMIN", "SECURITYADMIN", "PUBLIC"}
KIND = r"(?:storage\s+)?(?P<kind>integration|pipe)\s+"
OBJECT = KIND + r'(?P<name>[\w$."]+)'


def full_name(cursor: Cursor, name: str) -> str:
    """DATABASE.SCHEMA.NAME of a name as written."""
    name = name.replace('"', "").upper()
    current = [str(cursor._conn.database), str(cursor._conn.schema)]
    return ".".join([*current[: 2 - name.count(".")], name])


def object_key(cursor: Cursor, match: re.Match) -> tuple[str, str]:
    if match["kind"].upper() == "PIPE":
        return "PIPE", full_name(cursor, match["name"])
    return "INTEGRATION", match["name"].upper()  # of the account, in no schema


def definition(key: tuple[str, str]) -> str:
    if key not in account_objects:
        kind, name = key
        message = f"{kind.capitalize()} '{name}' does not exist or not authorized."
        raise refusal(f"SQL compilation error:\n{message}", 2003, "02000")
    return account_objects[key]


@answers(r"create\s+" + KIND + r'(?P<kept>if\s+not\s+exists\s+)?(?P<name>[\w$."]+)\s.+')
def create_object(cursor: Cursor, match: re.Match) -> list[str]:
    """`create storage integration` and `create pipe`."""
    key = kind, name = object_key(cursor, match)
    if key not in account_objects:
        account_objects[key] = match[0].strip().removesuffix(";")
        message = f"{kind.capitalize()} {name} successfully created."
    elif match["kept"]:
        message = f"{name} already exists, statement succeeded."
    else:
        message = f"SQL compilation error:\nObject '{name}' already exists."
        raise refusal(message, 2002, "42710")
    return [rows(["status"], (message,))]


@answers(r"alter\s+" + OBJECT + r"\s+refresh(?:\s+prefix\s*=\s*'(?P<prefix>[^']*)')?")
def refresh_pipe(cursor: Cursor, match: re.Match) -> list[str]:
    """`alter pipe … refresh` runs the pipe's COPY INTO at once, and answers what that
    answers (Snowflake only queues the files)."""
    key = object_key(cursor, match)
    made_by = definition(key)
    copy = re.search(r"\bas\s+(copy\s+into\b.*)", made_by, re.I | re.S)
    if not copy:
        raise refusal("SQL compilation error: a pipe needs AS COPY INTO", 1003, "42000")
    return [f"{copy[1]}\n{PIPE} = '{key[1]}' {PREFIX} = '{match['prefix'] or ''}'"]


@answers(r"show\s+(?:storage\s+)?(?P<kind>integration|pipe)s(?:\s+(?:like|in)\s.*)?")
def show_objects(cursor: Cursor, match: re.Match) -> list[str]:
    """`show pipes` and `show integrations`; LIKE and IN do not narrow the answer."""
    if match["kind"].upper() == "PIPE":
        names = ["name", "database_name", "schema_name", "definition"]
        names.append("notification_channel")
        channel = "arn:aws:sqs:us-east-1:000000000000:sf-snowpipe-emulated"
        found = [
            (name.split(".")[2], *name.split(".")[:2], made_by, channel)
            for (kind, name), made_by in account_objects.items()
            if kind == "PIPE"
        ]
    else:
        names = ["name", "type", "category", "enabled"]
        found = [
            (name, "EXTERNAL_STAGE", "STORAGE", "true")
            for kind, name in account_objects
            if kind == "INTEGRATION"
        ]
    return [rows(names, *found)]


# The policy of each masked column, by the relation as written and the column. No value
# is masked here.
masked_columns: dict[tuple[str, str], str] = {}


@answers(r"create\s+masking\s+policy\s+if\s+not\s+exists\s+(?P<name>\S+)\s+as\s*\(.+")
def create_masking_policy(cursor: Cursor, match: re.Match) -> list[str]:
    """Remembers the policy."""
    key = "MASKING POLICY", full_name(cursor, match["name"])
    account_objects.setdefault(key, match[0])
    return [DONE]


@answers(r"alter\s+masking\s+policy\s+(?P<name>\S+)\s+set\s+body\s.+")
def alter_masking_policy(cursor: Cursor, match: re.Match) -> list[str]:
    """Remembers the policy's new body."""
    key = "MASKING POLICY", full_name(cursor, match["name"])
    account_objects[key] = f"{definition(key)}; {match[0]}"
    return [DONE]


@answers(r"show\s+masking\s+policies\s+in\s+schema\s+\S+")
def show_masking_policies(cursor: Cursor, match: re.Match) -> list[str]:
    """Those of all schemas."""
    kind = "MASKING POLICY"
    found = [name.split(".")[2] for one, name in account_objects if one == kind]
    return [rows(["name", "kind"], *((name, "MASKING_POLICY") for name in found))]


@answers(
    r"alter\s+(?:table|view)\s+(?P<relation>\S+)\s+modify\s+column\s+(?P<column>\w+)"
    r"\s+set\s+masking\s+policy\s+(?P<policy>\S+)\s+force"
)
def set_masking_policy(cursor: Cursor, match: re.Match) -> list[str]:
    """Remembers the policy of the column, if there is such a policy."""
    key = "MASKING POLICY", full_name(cursor, match["policy"])
    definition(key)
    relation = full_name(cursor, match["relation"])
    masked_columns[relation, match["column"].upper()] = key[1]
    return [DONE]


@answers(r"desc(?:ribe)?\s+pipe\s+(?P<name>[\w$.\"]+)")
def describe_pipe(cursor: Cursor, match: re.Match) -> list[str]:
    """`desc pipe`; of integrations: sandbox.snowflake.account."""
    name = full_name(cursor, match["name"])
    return [rows(["name", "definition"], (name, definition(("PIPE", name))))]


@answers(r"create\s+table\s+if\s+not\s+exists\s+(?P<name>[\w$.\"]+).*")
def keep_existing_table(cursor: Cursor, match: re.Match) -> list[str]:
    """`create table if not exists` leaves a table that exists with its load history,
    which fakesnow does not keep."""
    name = full_name(cursor, match["name"])
    exists = cursor._duck_conn.execute(
        "select 1 from duckdb_tables() where upper(database_name) = ?"
        " and upper(schema_name) = ? and upper(table_name) = ?",
        name.split("."),
    ).fetchall()
    if exists:
        return [rows(["status"], (f"{name} already exists, statement succeeded.",))]
    return [match[0]]


@answers(r"alter\s+(?:table|view)\s+(?P<relation>\S+)\s+alter\s+(?P<columns>.*\$\$.*)")
def comment_on_columns(cursor: Cursor, match: re.Match) -> list[str]:
    """persist_docs: `alter table … alter a comment $$…$$, b comment $$…$$`."""
    column = re.compile(r'("(?:[^"]|"")+"|\w+)\s+comment\s+\$\$(.*?)\$\$', re.I | re.S)
    return [
        f"comment on column {match['relation']}.{name} is "
        + exp.Literal.string(comment).sql("snowflake")
        for name, comment in column.findall(match["columns"])
    ] + [DONE]


ALREADY_EXISTS = re.compile(r'(?:Table|View) with name "(\w+)" already exists')

# Patterns of statements to refuse, each once: faults that a test puts in a build's way.
faults: list[re.Pattern] = []


@replaces(Cursor, "execute")
def execute(original: Callable, cursor: Cursor, command: str, *args: Any, **kw: Any):
    """Run the statement, or what answers it."""
    for fault in faults:
        if fault.search(command):
            faults.remove(fault)
            raise refusal("Processing aborted by a fault of the test", 300005, "XX000")
    statements = [command]
    for pattern, shim in STATEMENT_SHIMS:
        if match := pattern.match(command):
            statements = shim(cursor, match)
            break
    for statement in statements:
        try:
            original(cursor, statement, *args, **kw)
        except Error as error:
            if existing := ALREADY_EXISTS.search(error.msg or ""):
                message = (
                    f"SQL compilation error:\nObject '{existing[1]}' already exists."
                )
                raise refusal(message, 2002, "42710") from error
            raise
        except Exception as error:  # tell which, before the server hides it
            raise refusal(f"fakesnow: {type(error).__name__}: {error}") from error
    return cursor
