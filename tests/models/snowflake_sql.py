"""Reads what dbt sends to Snowflake as Snowflake would, without running it.

The emulator runs everything on DuckDB, which takes more than Snowflake does. So every
statement of a log is parsed by two parsers of Snowflake's SQL; names and types are
resolved from the columns of the raw tables on; and functions have to be on a list of
those that Snowflake documents.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlglot
from sqlfluff.core import FluffConfig, Linter
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema
from warehouses import Warehouse

# Each has a page of this name: https://docs.snowflake.com/en/sql-reference/functions/…
FUNCTIONS = """
    abs array_construct array_except array_generate_range array_size array_sort
    array_to_string as_object cast chr coalesce contains convert_timezone count
    count_if date_trunc dateadd datediff dense_rank flatten floor get greatest
    iff lag last_day last_value lead least left length listagg lower ltrim max max_by
    md5 md5_number_lower64 median min min_by nullif object_construct object_delete
    object_insert object_keys rank
    regexp_instr regexp_like regexp_replace regexp_substr replace round row_number
    rtrim sha2 split_part strip_null_value substr sum sysdate to_char to_json
    to_timestamp_ntz trim try_cast try_parse_json typeof upper
"""
# Words before a parenthesis that are no functions: types, and what SQL itself has.
NO_FUNCTIONS = """
    decimal number varchar and any as by distinct exclude exists filter from in not on
    or over values within using when then else union select where having qualify all
    table lateral case between primary key
"""
KNOWN = {*FUNCTIONS.split(), *NO_FUNCTIONS.split()}
# What sqlglot has no tree for; sqlfluff has one.
COMMANDS = (
    r"\s*(show\s|execute immediate\b|alter\s+table\s.*\scomment\s"
    r"|alter\s+(table|view)\s.*\sset\s+masking\s+policy\s)"
)
# A type's other name, which sqlfluff does not know.
# https://docs.snowflake.com/en/sql-reference/data-types-datetime
OTHER_NAMES = {"timestamptz": "timestamp_tz"}
# What sqlfluff has no tree for; sqlglot has one. "Parameters are separated by spaces,
# commas or new lines": https://docs.snowflake.com/en/sql-reference/sql/alter-session
NOT_FOR_SQLFLUFF = r"\s*alter session set\b"
BLOCK = r"execute immediate \$\$(?P<body>.*)\$\$"
# A type that the session parameter TIMESTAMP_TYPE_MAPPING decides.
MAPPED_TYPE = re.compile(r"(::\s*|\bas\s+|\s)timestamp(?=\s*[,)]|\s*$|\s+\w)")
CHANGES = r"\s*(delete|insert|update|merge|create)\b"
SENT = re.compile(r"\]: On (?P<node>[\w.-]+): (?P<sql>.*)", re.DOTALL)
STAMP = re.compile(r"^\d\d:\d\d:\d\d\.\d+ \[", re.MULTILINE)
COMMENT = re.compile(r"/\* \{.*?\} \*/|/\*\s.*?\*/", re.DOTALL)

COMPARISONS = (
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE),
    *(exp.NullSafeEQ, exp.NullSafeNEQ),
)


@dataclass(frozen=True)
class Statement:
    """A statement, and the node of dbt that sends it."""

    node: str
    sql: str


def sent(log: str) -> list[Statement]:
    """The different statements of a log of dbt, in their order."""
    found: dict[Statement, None] = {}
    for part in STAMP.split(log):
        if match := SENT.search(part):
            sql = COMMENT.sub("", match["sql"]).strip().rstrip(";")
            if sql and not sql.startswith("Close"):
                found[Statement(match["node"], sql)] = None
    return list(found)


def faults(warehouse: Warehouse, *, with_sqlfluff: bool = True) -> list[str]:
    """What is wrong with the statements that dbt has sent to this warehouse, and with
    the analyses that it has compiled for it. sqlfluff takes most of the time."""
    raw: dict = {}
    for name, column, kind in warehouse.rows(
        "select table_schema || '.' || table_name, column_name, data_type"
        " from raw.information_schema.columns"
    ):
        schema, _, table = name.partition(".")
        tables = raw.setdefault("RAW", {}).setdefault(schema, {})
        tables.setdefault(table, {})[column] = kind
    reader = Reader(raw, with_sqlfluff=with_sqlfluff)
    statements = sent((warehouse.folder / "logs/dbt.log").read_text())
    target = Path(warehouse.environment()["DBT_TARGET_PATH"])
    for file in sorted(target.glob("compiled/*/analyses/**/*.sql")):
        statements.append(Statement(file.stem, file.read_text()))
    return [
        f"{statement.node}: {fault}"
        for statement in statements
        for fault in reader.faults(statement)
    ]


class Reader:
    """Reads statements one after the other, and remembers what they create.

    `raw` has the columns of the tables that dbt does not create, and their types, by
    database, schema and table.
    """

    def __init__(self, raw: dict, *, with_sqlfluff: bool = True) -> None:
        self.schema = MappingSchema(raw, dialect="snowflake")
        overrides: Any = {"dialect": "snowflake", "rules": "none"}
        self._with_sqlfluff = with_sqlfluff
        self._linter = Linter(config=FluffConfig(overrides=overrides))

    def faults(self, statement: Statement) -> Iterator[str]:
        """What Snowflake would refuse, or what would not be as on DuckDB."""
        # Values of seeds are bound to placeholders.
        sql = re.sub(r"\bvalues\s*\(%s.*", "values (null)", statement.sql, flags=re.S)
        if self._with_sqlfluff and not re.match(NOT_FOR_SQLFLUFF, sql):
            words = r"\b({})\b".format("|".join(OTHER_NAMES))
            known = re.sub(words, lambda match: OTHER_NAMES[match[0]], sql)
            for violation in self._linter.parse_string(known).violations:
                yield f"sqlfluff: {violation}"
        block = re.match(BLOCK, sql, re.DOTALL)
        # No text in a block ends a line with a semicolon.
        parts = re.split(r";\s*(?:\n|$)", block["body"]) if block else [sql]
        # A build sets its sessions' parameters when it builds a model. Tests, analyses
        # and those who read a view have those of the account or the user.
        is_pinned = statement.node.startswith("model.")
        for part in parts:
            if not block or re.match(CHANGES, part):
                yield from self._faults_of(part, is_pinned)

    def _faults_of(self, sql: str, is_pinned: bool) -> Iterator[str]:
        yield from self._unknown_functions(sql)
        try:
            tree = sqlglot.parse_one(sql, read="snowflake")
            if isinstance(tree, exp.Command):
                if not re.match(COMMANDS, sql, re.DOTALL | re.IGNORECASE):
                    yield f"sqlglot knows no tree for: {sql[:80]}"
                return
            for order in tree.find_all(exp.Ordered):
                if order.args.get("desc") and order.args.get("nulls_first"):
                    yield f"DuckDB has nulls last, Snowflake first: {order.sql()}"
            conditions = [
                part
                for either in tree.find_all(exp.Or)
                for part in either.flatten()
                if isinstance(part, exp.In) and part.args.get("query")
            ]
            if isinstance(tree, exp.Delete) and conditions:
                yield "Snowflake prunes no deletion by lists of keys joined with OR"
            for query in queries(tree):
                resolved = self._resolved(query)
                yield from mixed_types(resolved)
                is_view = isinstance(tree, exp.Create) and tree.kind == "VIEW"
                is_view = is_view and not tree.find(exp.TemporaryProperty)
                if is_view or not is_pinned:
                    yield from session_dependent(resolved)
                    if MAPPED_TYPE.search(sql):
                        yield "depends on TIMESTAMP_TYPE_MAPPING"
                if isinstance(tree, exp.Create):
                    self._remember(tree, resolved)
            if isinstance(tree, exp.Create) and isinstance(tree.this, exp.Schema):
                columns = [c for c in tree.this.expressions if c.args.get("kind")]
                if columns:
                    types = {c.name.upper(): c.args["kind"] for c in columns}
                    self.schema.add_table(tree.this.this, types, dialect="snowflake")
        except SqlglotError as error:
            text = re.sub(r"\x1b\[\d+m", "", str(error))
            yield f"sqlglot: {' '.join(text.split())[:300]}"

    def _resolved(self, query: exp.Query) -> exp.Query:
        """The query with the table of each column, and with types."""
        qualified = qualify(
            query.copy(),
            schema=self.schema,
            dialect="snowflake",
            quote_identifiers=False,
        )
        return annotate_types(qualified, schema=self.schema, dialect="snowflake")

    def _remember(self, create: exp.Create, query: exp.Query) -> None:
        types = {
            column.alias_or_name.upper(): column.type or exp.DataType.build("unknown")
            for column in query.selects
        }
        self.schema.add_table(create.find(exp.Table), types, dialect="snowflake")

    def _unknown_functions(self, sql: str) -> Iterator[str]:
        tokens = sqlglot.tokenize(sql, read="snowflake")
        for token, following in pairwise(tokens):
            name = token.text.lower()
            is_call = following.text == "(" and token.end + 1 == following.start
            is_name = re.fullmatch(r"[a-z_]\w*", name)
            if is_call and is_name and name not in KNOWN:
                yield f"not on the list of Snowflake's functions: {name}"


def queries(tree: exp.Expression) -> Iterator[exp.Query]:
    """The queries that a statement reads from, each with its CTEs."""
    if isinstance(tree, exp.Query):
        yield tree
    elif isinstance(tree, (exp.Create, exp.Insert, exp.Merge)):
        for name in ("expression", "using"):
            if isinstance(query := tree.args.get(name), exp.Query):
                yield query.unnest()


def session_dependent(query: exp.Query) -> Iterator[str]:
    """What another WEEK_START, TIMEZONE or output format makes another value."""
    for node in query.walk():
        unit = str(node.args.get("unit") or "").upper() if node.args else ""
        is_text = isinstance(node, exp.Cast) and kind_of(node) == "text"
        if is_text and kind_of(node.this) in ("date", "time"):
            yield f"depends on an output format: {node.sql('snowflake')}"
        elif "WEEK" in unit:
            yield f"depends on WEEK_START: {node.sql('snowflake')}"
        elif isinstance(node, (exp.CurrentDate, exp.CurrentTimestamp)) and not (
            node.args.get("sysdate")  # always UTC
        ):
            yield f"depends on TIMEZONE: {node.sql('snowflake')}"


def mixed_types(query: exp.Query) -> Iterator[str]:
    """Values of different kinds where one is expected: Snowflake casts, or refuses."""
    for node in query.walk():
        if isinstance(node, COMPARISONS):
            values = [node.left, node.right]
        elif isinstance(node, exp.Coalesce):
            values = [node.this, *node.expressions]
        elif isinstance(node, exp.Case):
            values = [part.args["true"] for part in node.args["ifs"]]
            values += [node.args["default"]] if node.args.get("default") else []
        elif isinstance(node, exp.In) and not node.args.get("query"):
            values = [node.this, *node.expressions]
        elif isinstance(node, exp.Between):
            values = [node.this, node.args["low"], node.args["high"]]
        elif isinstance(node, exp.SetOperation):
            pairs = zip(node.left.selects, node.right.selects, strict=True)
            for left, right in pairs:
                yield from mixed([left, right], node)
            continue
        else:
            continue
        yield from mixed(values, node)


def mixed(values: list[exp.Expression], node: exp.Expression) -> Iterator[str]:
    kinds = {kind for value in values if (kind := kind_of(value))}
    if len(kinds) > 1:
        said = " and ".join(sorted(kinds))
        yield f"{said} in one: {node.sql('snowflake')[:200]}"


def kind_of(value: exp.Expression) -> str | None:
    """What is compared as one kind; None for what is unknown or may be anything."""
    types = exp.DataType
    if not value.type or isinstance(value, (exp.Subquery, exp.All, exp.Any)):
        return None
    for kind, of_kind in (
        ("text", types.TEXT_TYPES),
        ("number", types.NUMERIC_TYPES),
        ("date", {types.Type.DATE}),
        ("time", types.TEMPORAL_TYPES),
        ("boolean", {types.Type.BOOLEAN}),
        ("semi-structured", {types.Type.VARIANT, types.Type.OBJECT, types.Type.ARRAY}),
    ):
        if value.type.this in of_kind:
            return kind
    return None
