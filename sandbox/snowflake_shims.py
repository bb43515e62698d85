"""What Snowflake accepts and fakesnow 0.12 does not: one named shim each.

Importing this module changes fakesnow in place. A shim may make the emulator accept
what Snowflake accepts, never make a wrong model pass; what fakesnow would silently
answer wrongly is refused. When a newer fakesnow no longer needs a shim, that function
goes and nothing else changes.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from string import Template
from typing import Any, TypeAlias

import duckdb
import fakesnow.arrow
import fakesnow.cursor
import fakesnow.info_schema
import fakesnow.macros
import fakesnow.server
import fakesnow.transforms
import fakesnow.transforms.transforms
import fakesnow.variables
import pyarrow
from snowflake.connector.errors import Error
from sqlglot import exp
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.snowflake_copy import PIPE, PREFIX, copy_into, refusal
from sandbox.snowflake_speed import Statement

Cursor: TypeAlias = fakesnow.cursor.FakeSnowflakeCursor
TEXT_TYPES = (exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.NVARCHAR)

# Both tell of every statement that they do not know, which a shim may then answer.
logging.getLogger("sqlglot").setLevel(logging.ERROR)
logging.getLogger("fakesnow.server").setLevel(logging.ERROR)


def replaces(owner: Any, name: str) -> Callable:
    """Put the decorated function in the place of `owner.name`; it gets the original
    as its first argument."""

    def install(shim: Callable) -> Callable:
        original = getattr(owner, name)

        def replacement(*args: Any, **kwargs: Any) -> Any:
            return shim(original, *args, **kwargs)

        setattr(owner, name, replacement)
        return shim

    return install


# --- Statements that fakesnow refuses, answered by other SQL --------------------------

STATEMENT_SHIMS: list[tuple[re.Pattern, Callable]] = []


def answers(pattern: str) -> Callable:
    """Register the decorated function for whole statements that match `pattern`: it
    gets the cursor and the match, and returns the SQL to run in their place."""
    comments_before = r"\s*(?:(?:/\*.*?\*/|--[^\n]*\n)\s*)*"
    comment_after = r"\s*;?\s*(?:/\*[^/]*\*/\s*;?\s*)?\Z"
    statement = re.compile(comments_before + pattern + comment_after, re.I | re.S)

    def register(shim: Callable) -> Callable:
        STATEMENT_SHIMS.append((statement, shim))
        return shim

    return register


def rows(names: list[str], *values: tuple[str, ...]) -> str:
    """SQL that answers these rows of text."""
    columns = ", ".join(f'"{name}"' for name in names)
    tuples = ", ".join(
        f"({', '.join(exp.Literal.string(value).sql('snowflake') for value in row)})"
        for row in values or [("",) * len(names)]
    )
    some = "" if values else " where false"
    return f"select * from (values {tuples}) as answer({columns}){some}"


DONE = rows(["status"], ("Statement executed successfully.",))


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
    """`desc pipe`; of integrations: sandbox.snowflake_account."""
    name = full_name(cursor, match["name"])
    return [rows(["name", "definition"], (name, definition(("PIPE", name))))]


@answers(r"create\s+table\s+if\s+not\s+exists\s+(?P<name>[\w$.\"]+).*")
def keep_existing_table(cursor: Cursor, match: re.Match) -> list[str]:
    """`create table if not exists` leaves a table that exists with its load history,
    which fakesnow forgets."""
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


# --- Expressions that fakesnow translates wrongly or not at all -----------------------

# Functions of Snowflake as macros of DuckDB. VARIANT is DuckDB's JSON here.
MACROS = """
create or replace macro _fs_global.main.sf_to_varchar(value) as
    case when typeof(value) = 'JSON' then to_json(value) ->> '$'
    else cast(value as varchar) end;
create or replace macro _fs_global.main.sf_as_varchar(variant) as
    case when json_type(variant) = 'VARCHAR' then variant ->> '$' end;
create or replace macro _fs_global.main.sf_as_object(variant) as
    case when json_type(variant) = 'OBJECT' then variant end;
create or replace macro _fs_global.main.sf_typeof(variant) as
    case json_type(variant)
        when 'NULL' then 'NULL_VALUE'
        when 'UBIGINT' then 'INTEGER'
        when 'BIGINT' then 'INTEGER'
        when 'HUGEINT' then 'INTEGER'
        when 'UHUGEINT' then 'INTEGER'
        when 'DOUBLE' then
            if(regexp_full_match(variant, '-?\\d+'), 'INTEGER', 'DECIMAL')
        else json_type(variant)
    end;
create or replace macro _fs_global.main.sf_object_keys(variant) as
    case when json_type(variant) = 'OBJECT' then to_json(json_keys(variant)) end;
create or replace macro _fs_global.main.sf_object_delete(object, name) as
    json_merge_patch(object, json_object(cast(name as varchar), null));
create or replace macro _fs_global.main.sf_object_insert(object, name, value) as
    json_merge_patch(object, json_object(cast(name as varchar), value));
create or replace macro _fs_global.main.sf_array_except(items, others) as
    to_json(list_filter(
        cast(items as varchar[]),
        lambda item: not list_contains(cast(others as varchar[]), item)
    ));
create or replace macro _fs_global.main.sf_array_sort(items) as
    list_sort(cast(items as varchar[]));
create or replace macro _fs_global.main.sf_md5_number_lower64(value) as
    cast('0x' || right(md5(value), 16) as ubigint);
create or replace macro _fs_global.main.sf_try_to_timestamp(value) as
    case
        when abs(try_cast(value as bigint)) < 31536000000
            then make_timestamp(try_cast(value as bigint) * 1000000)
        when abs(try_cast(value as bigint)) < 31536000000000
            then make_timestamp(try_cast(value as bigint) * 1000)
        when try_cast(value as bigint) is not null
            then make_timestamp(try_cast(value as bigint))
        else try_cast(regexp_replace(value, ' ?[+-]\\d\\d:?\\d\\d$', '') as timestamp)
    end;
"""


def macro(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=f"_fs_global.main.{name}", expressions=list(arguments))


@replaces(fakesnow.info_schema, "fs_global_creation_sql")
def create_macros(original: Callable) -> str:
    """Every emulator starts with the macros."""
    return original() + MACROS


@replaces(Cursor, "_transform")
def translate(original: Callable, cursor: Cursor, expression: exp.Expr, params: Any):
    """Run the shims below before and after fakesnow's own translation."""
    make_temporary_table_permanent(cursor, expression)
    refuse_outer_flatten(expression)
    for node in list(expression.find_all(exp.Func)):
        translate_variant_function(node)
    for node in list(expression.find_all(exp.MD5NumberLower64)):
        node.replace(macro("sf_md5_number_lower64", node.this))
    for node in list(expression.find_all(exp.TryCast)):
        translate_try_cast_to_timestamp(node)
    translated = original(cursor, Statement(expression), params).tree
    for node in list(translated.find_all(exp.Cast)):
        translate_cast_to_text(node)
    return translated


CONVERSIONS = ("AS_VARCHAR", "AS_OBJECT")


def translate_variant_function(function: exp.Func) -> None:
    """typeof, object_keys, object_insert, object_delete, as_varchar, as_object and
    to_varchar of a VARIANT, array_except and array_sort: fakesnow does not know them,
    or answers as DuckDB."""
    if isinstance(function, exp.Typeof):
        function.replace(macro("sf_typeof", function.this))
    elif isinstance(function, exp.JSONKeys):
        function.replace(macro("sf_object_keys", function.this))
    elif isinstance(function, exp.ArrayExcept):
        function.replace(macro("sf_array_except", function.this, function.expression))
    elif isinstance(function, exp.SortArray):
        function.replace(macro("sf_array_sort", function.this))
    elif isinstance(function, exp.ToChar) and not function.args.get("format"):
        function.replace(exp.cast(function.this, "varchar"))
    elif isinstance(function, exp.ObjectInsert):
        arguments = function.this, function.args["key"], function.args["value"]
        function.replace(macro("sf_object_insert", *arguments))
    elif (
        isinstance(function, exp.Anonymous) and function.name.upper() == "OBJECT_DELETE"
    ):
        function.replace(macro("sf_object_delete", *function.expressions))
    elif isinstance(function, exp.Anonymous) and function.name.upper() in CONVERSIONS:
        name = f"sf_{function.name.lower()}"
        function.replace(macro(name, function.expressions[0]))


def translate_try_cast_to_timestamp(cast: exp.TryCast) -> None:
    """`try_cast(text as timestamp)` is null if the text is none; fakesnow raises. As in
    Snowflake a number counts from 1970 and a time zone is dropped, not applied."""
    if cast.to.this in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ):
        cast.replace(macro("sf_try_to_timestamp", cast.this))


def translate_cast_to_text(cast: exp.Cast) -> None:
    """`variant::varchar` is the bare text of a JSON string, and null of a JSON null;
    fakesnow knows it of `variant['key']::varchar` only."""
    is_literal = isinstance(cast.this, exp.Literal)
    if type(cast) is exp.Cast and cast.to.this in TEXT_TYPES and not is_literal:
        cast.replace(macro("sf_to_varchar", cast.this))


@replaces(fakesnow.transforms, "indices_to_json_extract")
def point_to_json_key(original: Callable, expression: exp.Expr) -> exp.Expr:
    """`variant['$insert_id']` names a key; DuckDB takes $… and /… for a path."""
    extract = original(expression)
    if extract is not expression:
        key = expression.expressions[0]
        if key.is_string and key.name.startswith(("$", "/")):
            pointer = "/" + key.name.replace("~", "~0").replace("/", "~1")
            extract.set("expression", exp.Literal.string(pointer))
    return extract


@replaces(fakesnow.macros, "creation_sql")
def flatten_any_key(original: Callable, catalog: str) -> str:
    """FLATTEN takes an object apart whatever its keys; as above."""
    pointer = "('/' || replace(replace(x, '~', '~0'), '/', '~1'))"
    return original(catalog).replace("(input) -> x ", f"(input) -> {pointer} ")


def refuse_outer_flatten(expression: exp.Expr) -> None:
    """`flatten(…, outer => true)` keeps rows with nothing to flatten; fakesnow drops
    them without a word, and knows no other option either."""
    for flatten in expression.find_all(exp.Explode):
        if flatten.expressions:
            raise refusal("The emulator knows only FLATTEN(INPUT => …).")


@replaces(fakesnow.transforms, "numeric_agg_implicit_cast")
def keep_numbers_exact(original: Callable, expression: exp.Expr) -> exp.Expr:
    """The sum of integers is an integer; fakesnow makes every aggregate a double."""
    return expression


@replaces(fakesnow.variables.Variables, "inline_variables")
def skip_literals(original: Callable, variables: Any, sql: str) -> str:
    """`'$insert_id'` is text; fakesnow takes it for a session variable."""
    quoted = r"""('(?:[^'\\]|''|\\.)*'|"[^"]*"|\$\$.*?\$\$|--[^\n]*|/\*.*?\*/)"""
    parts = re.split(quoted, sql, flags=re.S)
    return "".join(
        part if index % 2 else original(variables, part)
        for index, part in enumerate(parts)
    )


@replaces(Cursor, "_transform_explode")
def explode(original: Callable, cursor: Cursor, expression: exp.Expr) -> list[exp.Expr]:
    """Shims of MERGE, which fakesnow splits into several statements."""
    if isinstance(expression, exp.Merge):
        qualify_inserted_values(expression)
        refuse_ambiguous_merge(cursor, expression)
    return original(cursor, expression)


def qualify_inserted_values(merge: exp.Merge) -> None:
    """dbt merges `insert (a) values (a)`: the value is the source's column, which
    fakesnow finds ambiguous."""
    source = exp.to_identifier(merge.args["using"].alias_or_name)
    for insert in merge.args["whens"].find_all(exp.Insert):
        for column in insert.expression.find_all(exp.Column):
            if not column.table:
                column.set("table", source.copy())


def refuse_ambiguous_merge(cursor: Cursor, merge: exp.Merge) -> None:
    """Two source rows for one target row are an error; fakesnow takes any of them."""
    if not any(when.args.get("matched") for when in merge.args["whens"].expressions):
        return
    target, source = merge.this, merge.args["using"]
    matches = (
        exp.select("1")
        .from_(target.copy())
        .join(source.copy(), on=merge.args["on"].copy())
        .group_by(exp.column("rowid", target.alias_or_name))
        .having("count(*) > 1")
        .limit(1)
    )
    duck_sql = cursor._transform(matches, None).sql("duckdb")
    if cursor._duck_conn.execute(duck_sql).fetchall():
        raise refusal("Duplicate row detected during DML action", 100090, "42P18")


# --- COPY INTO ------------------------------------------------------------------------


@replaces(fakesnow.cursor, "copy_into")
def copy_lines(original: Callable, *args: Any) -> str:
    """Lines with metadata columns, PATTERN and ON_ERROR; see snowflake_copy."""
    return copy_into(original, *args)


@replaces(Cursor, "check_db_and_schema")
def check_target_only(original: Callable, cursor: Cursor, statement: exp.Expr) -> None:
    """fakesnow takes the stage of a COPY statement for a table without a schema."""
    original(cursor, statement.this if isinstance(statement, exp.Copy) else statement)


# --- Temporary tables -----------------------------------------------------------------


def make_temporary_table_permanent(cursor: Cursor, expression: exp.Expr) -> None:
    """`create temporary table db.schema.t`: DuckDB has no schema for temporary tables,
    so it is a permanent one that goes with its session."""
    if not isinstance(expression, exp.Create):
        return
    table = expression.find(exp.Table)
    temporary = expression.find(exp.TemporaryProperty)
    if temporary and table and table.db:
        temporary.pop()
        made = cursor._conn.__dict__.setdefault("temporary_tables", [])
        made.append((expression.kind, table.sql("snowflake")))


class Sessions(dict):
    """The open sessions by token; one that ends takes its temporary tables with it, and
    what it has not committed."""

    def __delitem__(self, token: str) -> None:
        connection = self.pop(token)
        last_requests.pop(token, None)
        with suppress(Error, duckdb.Error):
            connection.cursor().execute("rollback")
        for kind, name in getattr(connection, "temporary_tables", []):
            connection.cursor().execute(f"drop {kind} if exists {name}")


# --- Answers that fakesnow gets wrong -------------------------------------------------


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


# --- The server -----------------------------------------------------------------------


async def login(request: Request) -> JSONResponse:
    """fakesnow's answer has no master token, without which a client never says that
    its session has ended; it knows no role either."""
    role = (request.query_params.get("roleName") or "").strip('"').upper()
    made = {name for kind, name in account_objects if kind == "ROLE"}
    if made and role and role not in made | SYSTEM_ROLES:
        message = f"Role '{role}' specified in the connect string does not exist or not"
        details = {"errorCode": "390189", "sqlState": "08001"}
        message += " authorized. Contact your local system administrator."
        refused = {"data": details, "code": "390189", "message": message}
        return JSONResponse(refused | {"success": False})
    answer = json.loads((await fakesnow.server.login_request(request)).body)
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    connection = fakesnow.server.sessions[answer["data"]["token"]]
    connection.user = json.loads(body)["data"].get("LOGIN_NAME", "")
    connection.role = role
    answer["data"]["masterToken"] = answer["data"]["token"]
    answer["data"]["validityInSeconds"] = 36000
    answer["data"]["masterValidityInSeconds"] = 36000
    return JSONResponse(answer)


# By session: the id of its last request, and the answer, which may be yet to come.
last_requests: dict[str, tuple[str | None, asyncio.Task[JSONResponse]]] = {}


async def query(request: Request) -> JSONResponse:
    """A client that has waited for a minute sends its request again, with the same
    `requestId`: the statement runs once, and both requests get its answer."""
    token = request.headers.get("Authorization", "")[17:-1]
    request_id = request.query_params.get("requestId")
    last_id, answer = last_requests.get(token, (None, None))
    if not answer or request_id is None or request_id != last_id:
        answer = asyncio.create_task(run_query(request))
        last_requests[token] = request_id, answer
    return await asyncio.shield(answer)


async def run_query(request: Request) -> JSONResponse:
    """An answer that fakesnow cannot give is an error of the statement; as an HTTP 500
    clients would repeat it for minutes."""
    try:
        return await fakesnow.server.query_request(request)
    except Exception as error:
        message = f"fakesnow: {type(error).__name__}: {error}"
    details = {"errorCode": "000002", "sqlState": "0A000"}
    failure = {"data": details, "code": "000002", "message": message, "success": False}
    return JSONResponse(failure)


SHIMMED = {"login_request": login, "query_request": query}
ROUTES = [
    Route(
        route.path,
        SHIMMED.get(route.name, route.endpoint),
        methods=list(route.methods),
    )
    for route in fakesnow.server.routes
]
