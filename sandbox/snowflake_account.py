"""What belongs to a Snowflake account rather than to a database, for the emulator.

Roles, users, warehouses, monitors, integrations and grants are remembered and shown;
a role that was never made cannot be used. No grant is enforced: what each role may do
is read from them by the tests.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, datetime
from email.utils import format_datetime

from sandbox import snowflake_stage
from sandbox.snowflake_copy import refusal
from sandbox.snowflake_shims import (
    DONE,
    Cursor,
    account_objects,
    answers,
    definition,
    full_name,
    rows,
)

KINDS = r"(?P<kind>role|user|warehouse|resource\s+monitor|notification\s+integration)"
NAME = r'(?P<name>[\w$."]+)'
PIPE_QUEUE = "arn:aws:sqs:us-east-1:000000000000:sf-snowpipe-emulated"

# The ALTER … SET statements on an object of the account, in their order.
alterations: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
# The GRANT and REVOKE statements, and the role of the session that gave each.
grants: list[str] = []


def clear() -> None:
    """Forget everything: a new emulator is a new account."""
    account_objects.clear()
    alterations.clear()
    grants.clear()


def key_of(kind: str, name: str) -> tuple[str, str]:
    kind = "INTEGRATION" if "integration" in kind.lower() else " ".join(kind.split())
    return kind.upper(), name.replace('"', "").upper()


@answers(r"create\s+" + KINDS + r"\s+(?P<kept>if\s+not\s+exists\s+)?" + NAME + r"\b.*")
def create_account_object(cursor: Cursor, match: re.Match) -> list[str]:
    """`create role`, `create user`, `create warehouse` …"""
    key = key_of(match["kind"], match["name"])
    if key in account_objects and not match["kept"]:
        message = f"SQL compilation error:\nObject '{key[1]}' already exists."
        raise refusal(message, 2002, "42710")
    account_objects.setdefault(key, match[0].strip().removesuffix(";"))
    return [DONE]


@answers(
    r"alter\s+(?P<kind>role|user|warehouse|resource\s+monitor|pipe"
    r"|(?:storage\s+|notification\s+)?integration)\s+(?:if\s+exists\s+)?"
    + NAME
    + r"\s+(?P<change>(?:un)?set\s.+)"
)
def alter_account_object(cursor: Cursor, match: re.Match) -> list[str]:
    """`alter … set …` of something that exists."""
    if match["kind"].lower() == "pipe":
        key = "PIPE", full_name(cursor, match["name"])
    else:
        key = key_of(match["kind"], match["name"])
    definition(key)
    alterations[key].append(match["change"])
    return [DONE]


@answers(r"(?P<statement>(?:grant|revoke)\s.+)")
def grant(cursor: Cursor, match: re.Match) -> list[str]:
    """Grants are remembered as they were written."""
    grants.append(" ".join(match["statement"].rstrip(";").split()))
    return [DONE]


@answers(r"(?P<create>create\s+schema\s+.+?)\s+with\s+managed\s+access\b(?P<rest>.*)")
def create_managed_schema(cursor: Cursor, match: re.Match) -> list[str]:
    """`create schema … with managed access`, which is about grants alone."""
    return [match["create"] + match["rest"]]


@answers(
    r"show\s+(?P<kind>role|user|warehouse|resource\s+monitor)s\s+like\s+'(?P<name>[^']+)'"
)
def show_account_objects(cursor: Cursor, match: re.Match) -> list[str]:
    """`show warehouses like '…'`, by their plain name."""
    key = key_of(match["kind"], match["name"])
    return [rows(["name"], *([(key[1],)] if key in account_objects else []))]


def setting(key: tuple[str, str], name: str) -> str:
    """The newest value of a property, as the object was made or altered."""
    found = ""
    for statement in [account_objects[key], *alterations[key]]:
        for value in re.findall(
            rf"\b{name}\s*=\s*(\([^)]*\)|'[^']*'|\w+)", statement, re.I
        ):
            found = value.strip("()'").strip("'")
    return found


@answers(r"desc(?:ribe)?\s+(?:storage\s+)?integration\s+(?P<name>[\w$\"]+)")
def describe_integration(cursor: Cursor, match: re.Match) -> list[str]:
    """`desc integration`, whose two AWS values go into the role's trust policy."""
    key = key_of("integration", match["name"])
    definition(key)
    enabled = setting(key, "enabled").lower() == "true"
    properties = {
        "ENABLED": str(enabled).lower(),
        "STORAGE_PROVIDER": "S3",
        "STORAGE_ALLOWED_LOCATIONS": setting(key, "storage_allowed_locations"),
        "STORAGE_AWS_IAM_USER_ARN": snowflake_stage.USER_ARN,
        "STORAGE_AWS_ROLE_ARN": setting(key, "storage_aws_role_arn"),
        "STORAGE_AWS_EXTERNAL_ID": snowflake_stage.EXTERNAL_ID,
    }
    names = ["property", "property_type", "property_value", "property_default"]
    return [rows(names, *((n, "String", v, "") for n, v in properties.items()))]


@answers(r"select\s+system\$pipe_status\('(?P<name>[^']+)'\)(?:\s+as\s+\w+)?")
def pipe_status(cursor: Cursor, match: re.Match) -> list[str]:
    """SYSTEM$PIPE_STATUS: whether the pipe is paused, and its channel."""
    key = "PIPE", full_name(cursor, match["name"])
    definition(key)
    paused = setting(key, "pipe_execution_paused").lower() == "true"
    status = {
        "executionState": "PAUSED" if paused else "RUNNING",
        "pendingFileCount": 0,
        "notificationChannelName": PIPE_QUEUE,
    }
    return [rows(["STATUS"], (json.dumps(status),))]


@answers(r"list\s+@(?P<stage>[\w$.\"]+)/(?P<folder>\S*)")
def list_stage(cursor: Cursor, match: re.Match) -> list[str]:
    """`list @stage/folder`: what is there, and when it landed."""
    name = full_name(cursor, match["stage"])
    found = cursor._duck_conn.execute(
        "select url from _fs_global._fs_information_schema._fs_stages where"
        " upper(database_name) || '.' || upper(schema_name) || '.' || upper(name) = ?",
        [name],
    ).fetchall()
    if not found:
        raise refusal(
            f"Stage '{name}' does not exist or not authorized.", 2003, "02000"
        )
    root, base = snowflake_stage.open_stage(found[0][0])
    files = []
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        if file.is_file() and path.startswith(base + match["folder"]):
            landed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            url = f"{found[0][0].removesuffix(base)}{path}"
            size = str(file.stat().st_size)
            files.append((url, size, "", format_datetime(landed, usegmt=True)))
    return [rows(["name", "size", "md5", "last_modified"], *files)]


@answers(
    r"select\s+(?P<columns>.+?)\s+from\s+table\(\s*(?P<database>\w+)\.information_schema"
    r"\.copy_history\(\s*table_name\s*=>\s*'(?P<table>[\w.]+)'.*?\)\s*\)\s*\)\s*"
    r"(?P<rest>order\s.+)?"
)
def copy_history(cursor: Cursor, match: re.Match) -> list[str]:
    """The table function COPY_HISTORY, from fakesnow's view of the loads."""
    schema, table = match["table"].split(".")[-2:]
    return [
        f"select {match['columns']} from (select file_name,"
        " case when status = 'LOADED' then 'Loaded' else 'Load failed' end as status,"
        " first_error_message, last_load_time, table_name, schema_name"
        f" from {match['database']}.information_schema.load_history) as history"
        f" where table_name = '{table.upper()}' and schema_name = '{schema.upper()}'"
        f" {match['rest'] or ''}"
    ]


def role_arn_of(url: str) -> str:
    """The AWS role of the storage integration that may read the URL."""
    for key in account_objects:
        if key[0] == "INTEGRATION" and any(
            url.startswith(location.strip(" '"))
            for location in setting(key, "storage_allowed_locations").split(",")
            if location.strip(" '")
        ):
            if setting(key, "enabled").lower() != "true":
                raise refusal(f"Integration '{key[1]}' is not enabled.", 3001, "42501")
            return setting(key, "storage_aws_role_arn")
    raise refusal(f"No storage integration allows {url}.", 3001, "42501")


snowflake_stage.role_arn_of = role_arn_of
