"""Snowflake Scripting for the emulator: what a transaction that ends itself needs.

    execute immediate $$
    begin
        begin transaction;
        <DML>;
        commit;
    exception
        when other then
            rollback;
            raise;
    end;
    $$

By the pages "Understanding blocks", "Handling exceptions" and "Stored procedures and
transactions" of Snowflake's documentation: a failing statement jumps to the handler; a
bare RAISE raises the same error again; a transaction that the block leaves open is
rolled back, with an error. The answer is one row whose column is `anonymous block`.
Everything else (variables, loops, RETURN, nested blocks, handlers of one exception) is
refused. An error says what Snowflake's says, but not at which line and position.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import fakesnow.server
from snowflake.connector.errors import Error
from snowflake.connector.util_text import split_statements
from sqlglot import exp

from sandbox.snowflake.copy import refusal
from sandbox.snowflake.hooks import Cursor, replaces
from sandbox.snowflake.transactions import COMMENTS, END, kind_of, transaction_of

BLOCK = re.compile(
    COMMENTS
    + r"(?:execute\s+immediate\s+\$\$\s*(?P<quoted>begin\b.*?\bend)\s*;?\s*\$\$"
    + r"|(?P<bare>begin\s+.*;\s*end))"
    + END,
    re.I | re.S,
)
HANDLER = re.compile(
    r"exception\s+when\s+(?P<names>.+?)\s+then\s+(?P<first>.*)", re.I | re.S
)
SQL = re.compile(
    r"(?:insert|update|delete|merge|truncate|create|alter|drop|select|with)\b", re.I
)
# Not `::type`, and not the key of a JSON object, as in `event:key`.
VARIABLE = re.compile(r'(?<![\w:")\]]):[a-z_]', re.I)
TEXT = re.compile(r"""'(?:[^'\\]|''|\\.)*'|"[^"]*\"""", re.S)


@dataclass
class Block:
    """The statements of a block, and those of its handler, if it has one."""

    statements: list[str]
    handler: list[str] | None


def unknown(what: str) -> Exception:
    return refusal(f"The emulator's Snowflake Scripting does not know: {what}")


def parse_block(command: str) -> Block | None:
    """The block that the command is; None if it is another statement."""
    match = BLOCK.match(command)
    if not match:
        return None
    text = (match["quoted"] or match["bare"])[len("begin") : -len("end")]
    block = Block([], None)
    for part, _ in split_statements(StringIO(text), remove_comments=True):
        statement = part.strip().removesuffix(";").strip()
        if handler := HANDLER.fullmatch(statement):
            if block.handler is not None or handler["names"].lower() != "other":
                raise unknown(" ".join(statement.split()))
            block.handler, statement = [], handler["first"].strip()
        if statement:
            check(statement, in_handler=block.handler is not None)
            to = block.statements if block.handler is None else block.handler
            to.append(statement)
    return block


def check(statement: str, in_handler: bool) -> None:
    """Refuse what the emulator would have to guess."""
    words = " ".join(statement.lower().split())
    if words == "begin" or VARIABLE.search(TEXT.sub("''", statement)):
        raise unknown(statement)
    if kind_of(statement) in ("begin", "end") or (words == "raise" and in_handler):
        return
    if not SQL.match(statement):
        raise unknown(statement)


@replaces(Cursor, "execute")
def execute(original: Callable, cursor: Cursor, command: str, *args: Any, **kw: Any):
    """Run a block statement by statement, or what is not a block as it is."""
    block = parse_block(command)
    if block is None:
        return original(cursor, command, *args, **kw)
    in_transaction = transaction_of(cursor) is not None
    if in_transaction:
        check_scope(block)
    try:
        run_block(original, cursor, block)
    finally:
        is_open = not in_transaction and transaction_of(cursor) is not None
        if is_open:
            original(cursor, "rollback")
    if is_open:
        raise refusal(
            "Scoped transaction started in stored procedure is incomplete and it was"
            " rolled back.",
            90232,
            "55000",
        )
    return original(cursor, 'select null::varchar as "anonymous block"')


def check_scope(block: Block) -> None:
    """A block within a transaction may not end it, and what it begins is another
    transaction beside it, which DuckDB does not have."""
    kinds = {kind_of(one) for one in [*block.statements, *(block.handler or [])]}
    if "begin" in kinds:
        raise unknown("a transaction within another (a scoped transaction)")
    if kinds & {"end", "ddl"}:
        raise refusal(
            "Modifying a transaction that has started at a different scope is not"
            " allowed.",
            90214,
            "55000",
        )


def run_block(original: Callable, cursor: Cursor, block: Block) -> None:
    try:
        for statement in block.statements:
            original(cursor, statement)
    except Error as error:
        uncaught = refusal(
            f"Uncaught exception of type 'STATEMENT_ERROR' : {error.msg}",
            error.errno,
            error.sqlstate,
        )
        if block.handler is None:
            raise uncaught from error
        for statement in block.handler:
            if statement.lower() == "raise":
                raise uncaught from error
            original(cursor, statement)


@replaces(fakesnow.server, "parse_one")
def parse_statement(original: Callable, command: str) -> exp.Expr:
    """fakesnow asks the parser which kind of statement came, which knows no block."""
    return exp.Command(this="EXECUTE") if BLOCK.match(command) else original(command)
