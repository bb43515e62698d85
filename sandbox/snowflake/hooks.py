"""How to change fakesnow 0.12 where it does not do what Snowflake does.

`replaces` puts a function in the place of one of fakesnow's, `answers` answers a kind
of statement with other SQL. A change may make the emulator accept what Snowflake
accepts, never make a wrong model pass; what fakesnow would silently answer wrongly is
refused. When a newer fakesnow no longer needs one, that function goes and nothing else
changes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import fakesnow.arrow
import fakesnow.cursor
import fakesnow.info_schema
import fakesnow.macros
import fakesnow.server
import fakesnow.transforms
import fakesnow.transforms.transforms
import fakesnow.variables
from sqlglot import exp

Cursor: TypeAlias = fakesnow.cursor.FakeSnowflakeCursor

# Both report every statement that they do not know, which a shim may then answer.
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
