"""`make query`: query the DuckDB warehouse, read-only.

    make query SQL="select * from amplitude.amplitude__users limit 5"
    make query

Without SQL it reads statements from the terminal or a pipe, each up to a line that
ends with a semicolon. It keeps the file open only while a statement runs, so builds
can start in between.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator

import duckdb
from dotenv import load_dotenv

from runner.duckdb_file import WarehouseFileError, open_warehouse, warehouse_file

HELP = """\
Statements end with a semicolon; Ctrl-D ends. Schemas: amplitude (marts),
amplitude_intermediate, amplitude_staging. All tables: show all tables;
"""
PROMPT, MORE = "sql> ", "...> "


def main(arguments: list[str]) -> int:
    load_dotenv(".env")
    path = warehouse_file()
    if path is None:
        print(
            "query: this asks DuckDB's file, but TARGET or WAREHOUSE names another"
            " place. Query Snowflake in its worksheets or with `snow sql`",
            file=sys.stderr,
        )
        return 2
    is_terminal = sys.stdin.isatty()
    if not arguments and is_terminal:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  gives input() its history and its keys
        print(HELP)
    lines = typed() if is_terminal else sys.stdin
    failed = False
    for sql in arguments or statements(lines):
        try:
            with open_warehouse(path, read_only=True) as connection:
                for statement in connection.extract_statements(sql):
                    if (answer := connection.sql(statement.query)) is not None:
                        answer.show(max_rows=200, max_width=200)
        except (WarehouseFileError, duckdb.Error) as error:
            failed = True
            print(f"query: {error}", file=sys.stderr)
    return int(failed and not (is_terminal and not arguments))


def typed() -> Iterator[str]:
    prompt = PROMPT
    while True:
        try:
            line = input(prompt)
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print()
            line = ""
        prompt = PROMPT if not line or line.rstrip().endswith(";") else MORE
        yield line + "\n"


def statements(lines: Iterable[str]) -> Iterator[str]:
    """Statements: lines up to one that ends with a semicolon; the rest is the last."""
    statement = ""
    for line in lines:
        statement += line
        if line.rstrip().endswith(";"):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
