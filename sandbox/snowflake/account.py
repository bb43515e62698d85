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

from sandbox.snowflake import stage
from sandbox.snowflake.copy import loaded_names, refusal
from sandbox.snowflake.hooks import DONE, Cursor, answers, rows
from sandbox.snowflake.statements import account_objects, definition, full_name

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
    makers.clear()
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


# What SHOW tells of each kind besides its name, and how a value is called that was
# never set.
SHOWN = {
    "ROLE": {"comment": ""},
    "USER": {
        "disabled": "false",
        "has_rsa_public_key": "false",
        "has_workload_identity": "false",
    },
    "WAREHOUSE": {"state": "SUSPENDED", "auto_resume": "true", "comment": ""},
    "RESOURCE MONITOR": {},
}
CREDENTIALS = {
    "has_rsa_public_key": "rsa_public_key",
    "has_workload_identity": "workload_identity",
}


@answers(
    r"show\s+(?P<kind>role|user|warehouse|resource\s+monitor)s\s+like\s+'(?P<name>[^']+)'"
)
def show_account_objects(cursor: Cursor, match: re.Match) -> list[str]:
    """`show warehouses like '…'`, by their plain name."""
    key = key_of(match["kind"], match["name"])
    shown = SHOWN[key[0]]
    names = ["name", *shown]
    if key not in account_objects:
        return [rows(names)]
    values = [
        str(bool(setting(key, CREDENTIALS[name]))).lower()
        if name in CREDENTIALS
        else setting(key, name) or default
        for name, default in shown.items()
    ]
    return [rows(names, (key[1], *values))]


@answers(r"show\s+grants\s+to\s+(?P<kind>role|user)\s+(?P<name>[\w$\"]+)")
def show_grants(cursor: Cursor, match: re.Match) -> list[str]:
    """`show grants to …`, from the statements that gave and took."""
    to = f"{match['kind']} {match['name']}".lower()
    given: set[tuple] = set()
    for statement in grants:
        form = GRANT.fullmatch(statement)
        if not form or form["to"].lower() != to:
            continue
        for what in form["what"].split(", "):
            row = (what.upper(), *kind_and_name(form["where"] or ""))
            (given.add if form["verb"].lower() == "grant" else given.discard)(row)
    if match["kind"].lower() == "user":
        roles = [(row[0].removeprefix("ROLE "),) for row in sorted(given)]
        return [rows(["role"], *roles)]
    return [rows(["privilege", "granted_on", "name"], *sorted(given))]


GRANT = re.compile(
    r"(?P<verb>grant|revoke) (?P<what>.+?)(?: on (?P<where>.+?))? (?:to|from) "
    r"(?P<to>(?:role|user) \S+?)(?: with grant option| copy current grants)?",
    re.I,
)


def kind_and_name(where: str) -> tuple[str, str]:
    kind, _, name = where.rpartition(" ")
    return kind.upper().replace(" ", "_"), name.upper()


# Of an account that sets nothing itself.
PARAMETERS = {
    "QUOTED_IDENTIFIERS_IGNORE_CASE": "false",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "TIMEZONE": "America/Los_Angeles",
    "TRANSACTION_ABORT_ON_ERROR": "false",
    "WEEK_START": "0",
}


@answers(r"show\s+parameters\s+in\s+account")
def show_parameters(cursor: Cursor, match: re.Match) -> list[str]:
    """`show parameters in account`: those that builds set for themselves."""
    return [rows(["key", "value"], *PARAMETERS.items())]


# The role that has made each database.
makers: dict[str, str] = {}


@answers(r"create\s+database\s+(?:if\s+not\s+exists\s+)?(?P<name>\w+)\b.*")
def create_database(cursor: Cursor, match: re.Match) -> list[str]:
    """`create database`: the session's role owns it."""
    makers.setdefault(match["name"].upper(), getattr(cursor._conn, "role", ""))
    return [match[0]]


@answers(r"show\s+databases\s+like\s+'(?P<name>\w+)'")
def show_database(cursor: Cursor, match: re.Match) -> list[str]:
    """`show databases like '…'`, by its plain name: with its owner."""
    name = match["name"].upper()
    owner = makers.get(name, "")
    for statement in grants:
        given = re.fullmatch(
            rf"grant ownership on database {name} to role (\w+)\b.*", statement, re.I
        )
        owner = given[1].upper() if given else owner
    found = cursor._duck_conn.execute(
        "select 1 from duckdb_databases() where upper(database_name) = ?", [name]
    ).fetchall()
    return [rows(["name", "owner"], *([(name, owner)] if found else []))]


@answers(r"show\s+tables\s+in\s+database\s+(?P<name>\w+)")
def show_tables_of_database(cursor: Cursor, match: re.Match) -> list[str]:
    """`show tables in database`: with their numbers of rows, which fakesnow does not
    know. DuckDB knows no bytes: a row counts as one."""
    found = cursor._duck_conn.execute(
        "select upper(schema_name), upper(table_name), estimated_size::varchar"
        " from duckdb_tables() where upper(database_name) = ?"
        " and not starts_with(schema_name, '_') order by 1, 2",
        [match["name"].upper()],
    ).fetchall()
    names = ["schema_name", "name", "rows", "bytes"]
    return [rows(names, *((*table, table[2]) for table in found))]


@answers(r"drop\s+database\s+(?:if\s+exists\s+)?(?P<name>\w+)")
def drop_database(cursor: Cursor, match: re.Match) -> list[str]:
    """`drop database`, with all that is in it."""
    name = match["name"].upper()
    for kind, full in [key for key in account_objects if key[1].startswith(f"{name}.")]:
        del account_objects[kind, full]
    makers.pop(name, None)
    # It may be the session's own.
    cursor._duck_conn.execute("use memory")
    cursor._conn.database_set = cursor._conn.schema_set = False
    cursor._duck_conn.execute(f"detach database if exists {name}")
    return [DONE]


@answers(r"drop\s+table\s+(?P<name>[\w$.\"]+)")
def drop_table(cursor: Cursor, match: re.Match) -> list[str]:
    """`drop table`: what COPY INTO remembers goes with it, what a pipe does stays."""
    table = full_name(cursor, match["name"])
    for loaded in list(loaded_names):
        *names, pipe = loaded
        if not pipe and ".".join(names).upper() == table:
            del loaded_names[loaded]
    return [match[0]]


@answers(r"alter\s+stage\s+(?P<name>[\w$.\"]+)\s+set\s+url\s*=\s*'(?P<url>[^']*)'")
def move_stage(cursor: Cursor, match: re.Match) -> list[str]:
    """`alter stage … set url`, which stops no pipe here as it would in Snowflake."""
    name = full_name(cursor, match["name"])
    return [
        "update _fs_global._fs_information_schema._fs_stages"
        f" set url = '{match['url']}' where upper(database_name) || '.' ||"
        f" upper(schema_name) || '.' || upper(name) = '{name}'",
        DONE,
    ]


@answers(r"desc(?:ribe)?\s+stage\s+(?P<name>[\w$.\"]+)")
def describe_stage(cursor: Cursor, match: re.Match) -> list[str]:
    """`desc stage`: where it is."""
    name = full_name(cursor, match["name"])
    return [
        rows(["property", "property_value"], ("URL", f'["{stage_url(cursor, name)}"]'))
    ]


@answers(
    r"drop\s+(?P<kind>role|user|warehouse|resource\s+monitor|pipe"
    r"|(?:storage\s+|notification\s+)?integration)\s+"
    r"(?P<lenient>if\s+exists\s+)?" + NAME
)
def drop_account_object(cursor: Cursor, match: re.Match) -> list[str]:
    """`drop … [if exists]`; a pipe loses its load history."""
    if match["kind"].lower() == "pipe":
        key = "PIPE", full_name(cursor, match["name"])
    else:
        key = key_of(match["kind"], match["name"])
    if match["lenient"] and key not in account_objects:
        return [DONE]
    definition(key)
    del account_objects[key]
    alterations.pop(key, None)
    for loaded in [loaded for loaded in loaded_names if loaded[3] == key[1]]:
        del loaded_names[loaded]
    return [DONE]


def stage_url(cursor: Cursor, name: str) -> str:
    found = cursor._duck_conn.execute(
        "select url from _fs_global._fs_information_schema._fs_stages where"
        " upper(database_name) || '.' || upper(schema_name) || '.' || upper(name) = ?",
        [name],
    ).fetchall()
    if not found:
        raise refusal(
            f"Stage '{name}' does not exist or not authorized.", 2003, "02000"
        )
    return found[0][0]


def setting(key: tuple[str, str], name: str) -> str:
    """The newest value of a property, as the object was made or altered."""
    found = ""
    for statement in [account_objects[key], *alterations[key]]:
        if re.match(rf"unset\s.*\b{name}\b", statement, re.I):
            found = ""
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
        "STORAGE_BLOCKED_LOCATIONS": setting(key, "storage_blocked_locations"),
        "STORAGE_AWS_IAM_USER_ARN": stage.USER_ARN,
        "STORAGE_AWS_ROLE_ARN": setting(key, "storage_aws_role_arn"),
        "STORAGE_AWS_EXTERNAL_ID": stage.EXTERNAL_ID,
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


@answers(r"list\s+'?@(?P<stage>[\w$.\"]+)/(?P<folder>[^\s']*)'?")
def list_stage(cursor: Cursor, match: re.Match) -> list[str]:
    """`list @stage/folder`: what is there, and when it landed."""
    url = stage_url(cursor, full_name(cursor, match["stage"]))
    root, base = stage.open_stage(url)
    files = []
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        if file.is_file() and path.startswith(base + match["folder"]):
            landed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            name = f"{url.removesuffix(base)}{path}"
            size = str(file.stat().st_size)
            files.append((name, size, "", format_datetime(landed, usegmt=True)))
    return [rows(["name", "size", "md5", "last_modified"], *files)]


@answers(
    r"select\s+(?P<columns>.+?)\s+from\s+table\(\s*(?P<database>\w+)\.information_schema"
    r"\.copy_history\(\s*table_name\s*=>\s*'(?P<table>[\w.]+)'.*?\)\s*\)\s*\)\s*"
    r"(?P<rest>order\s.+)?"
)
def copy_history(cursor: Cursor, match: re.Match) -> list[str]:
    """The table function COPY_HISTORY, from fakesnow's view of the loads."""
    schema, table = match["table"].split(".")[-2:]
    copied = [
        name
        for (_, of_schema, of_table, pipe), names in loaded_names.items()
        if not pipe and (of_schema.lower(), of_table.lower()) == (schema, table)
        for name in names
    ]
    known = ", ".join(f"'{name}'" for name in ["", *copied])
    return [
        f"select {match['columns']} from (select file_name,"
        " case when status = 'LOADED' then 'Loaded' else 'Load failed' end as status,"
        " first_error_message, last_load_time, table_name, schema_name,"
        f" case when file_name not in ({known}) then '{table}_pipe' end as pipe_name"
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


stage.role_arn_of = role_arn_of
