"""Expressions that fakesnow translates wrongly or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import fakesnow.arrow
import fakesnow.cursor
import fakesnow.info_schema
import fakesnow.macros
import fakesnow.server
import fakesnow.transforms
import fakesnow.transforms.transforms
import fakesnow.variables
from sqlglot import exp

from sandbox.snowflake.copy import copy_into, refusal
from sandbox.snowflake.hooks import Cursor, replaces
from sandbox.snowflake.speed import Statement

TEXT_TYPES = (exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.NVARCHAR)

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
    """Run the functions below before and after fakesnow's own translation."""
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


@replaces(fakesnow.cursor, "copy_into")
def copy_lines(original: Callable, *args: Any) -> str:
    """Lines with metadata columns, PATTERN and ON_ERROR; see copy.py."""
    return copy_into(original, *args)


@replaces(Cursor, "check_db_and_schema")
def check_target_only(original: Callable, cursor: Cursor, statement: exp.Expr) -> None:
    """fakesnow takes the stage of a COPY statement for a table without a schema."""
    original(cursor, statement.this if isinstance(statement, exp.Copy) else statement)


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
