"""COPY INTO of lines, as JSON or as text, as Snowflake does it, for the emulator.

fakesnow reads such a file with DuckDB's JSON reader, which knows no metadata columns
and refuses a whole file for one lone surrogate. Here each line becomes a row of a
small table with the columns `$1` and `METADATA$…`, over which the SELECT of the COPY
statement runs as it is.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fakesnow.copy_into
import pyarrow
from fakesnow.transforms.file_format import lookup_file_format
from fakesnow.transforms.options import parse_options
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp, parse_one

from sandbox.snowflake.stage import open_stage

GZIP_MAGIC = b"\x1f\x8b"

# Options that only the emulator writes: it is a pipe that loads, what REFRESH names.
PIPE, PREFIX = "EMULATED_PIPE", "EMULATED_PREFIX"
REFRESH_REACHES = timedelta(days=7)

# The names that were loaded into a table, by each pipe and by COPY INTO itself (None):
# as in Snowflake the one does not know of the other.
loaded_names: dict[tuple[str, str, str, str | None], set[str]] = {}

# One escape sequence of a JSON string: a surrogate pair, a surrogate alone, or other.
ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def refusal(message: str, errno: int = 2, sqlstate: str = "0A000") -> ProgrammingError:
    """The error a client gets; numbers as Snowflake gives them where it has one."""
    return ProgrammingError(msg=message, errno=errno, sqlstate=sqlstate)


def copy_into(
    fakesnow_copy_into: Callable,
    connection: Any,
    database: str | None,
    schema: str | None,
    copy: exp.Copy,
    table_stages: Any,
    params: Any = None,
) -> str:
    """COPY INTO a table from files of a stage, as JSON or as CSV whose only value is
    the whole line; other formats are fakesnow's.

    Returns the SQL of the answer, which has been run: fakesnow's contract.
    """
    options = {param.this.name.upper(): param for param in copy.args["params"]}
    file_format = format_options(connection, options.get("FILE_FORMAT"))
    is_json = str(file_format.get("TYPE")).upper() == "JSON"
    if not is_json and str(file_format.get("FIELD_DELIMITER")).upper() != "NONE":
        return fakesnow_copy_into(
            connection, database, schema, copy, table_stages, params
        )

    on_error = option(options, "ON_ERROR", "abort_statement").upper()
    refuse_unknown(copy, options, file_format, on_error)
    select = copy.args["files"][0].this
    stage, _, folder = select.args["from_"].this.this.name.partition("/")
    table = fakesnow.copy_into._extract_table(copy.this)
    url = fakesnow.copy_into.stage_url_from_var(
        stage.removeprefix("@"), connection, database, schema, table_stages, table
    )
    connection.fetchall()  # what the look-up of the stage has left
    root, base = open_stage(url)
    folder = base + folder

    history = f"{table.catalog or database}._fs_information_schema._fs_load_history"
    target = (table.db or str(schema), table.name)
    pipe = option(options, PIPE, "") or None
    catalog = str(table.catalog or database).upper()
    loaded = loaded_names.setdefault((catalog, *target, pipe), set())
    pattern = re.compile(option(options, "PATTERN", ".*"))
    replace_invalid = bool(file_format.get("REPLACE_INVALID_CHARACTERS"))
    answers = []
    for file in staged_files(root, folder, pattern):
        name = file.relative_to(root).as_posix()
        if name in loaded and "FORCE" not in options:
            continue
        if not is_asked_for(file, name.removeprefix(folder), options):
            continue
        try:
            lines = read_lines(file, name, replace_invalid, is_json)
            load_lines(connection, lines, select, copy.this, is_json)
            status, count, error = "LOADED", lines.num_rows, None
        except ValueError as unreadable:
            status, count, error = "LOAD_FAILED", 0, str(unreadable)
            if on_error == "ABORT_STATEMENT":
                raise refusal(f"{error}\n  File '{name}'", 100069, "22P02") from None
        answers.append((name, status, count, error))
        if status == "LOADED":
            loaded.add(name)
        connection.execute(
            f"insert into {history} by name select ? as schema_name, ? as table_name,"
            " ? as file_name, ? as status, ? as row_count, ? as first_error_message,"
            " now() as last_load_time",
            [*target, *answers[-1]],
        )
    return answer(connection, answers)


def format_options(connection: Any, parameter: exp.Expr | None) -> dict[str, Any]:
    """The file format of the statement, a named one looked up."""
    options = {"REPLACE_INVALID_CHARACTERS": False}
    written = parse_options(parameter.expressions) if parameter else {}
    if name := written.pop("FORMAT_NAME", None):
        options |= lookup_file_format(connection, str(name), None, None)
    return options | written


def refuse_unknown(
    copy: exp.Copy, options: dict, file_format: dict[str, Any], on_error: str
) -> None:
    """Refuse what Snowflake would heed and the code here would pass over."""
    known = {"FILE_FORMAT", "PATTERN", "ON_ERROR", "FILES", "FORCE"}
    known |= {"LOAD_UNCERTAIN_FILES", "TRUNCATECOLUMNS"}
    unknown = options.keys() - known - {PIPE, PREFIX}
    unknown |= {
        name
        for name in ("STRIP_OUTER_ARRAY", "STRIP_NULL_VALUES")
        if file_format.get(name)
    }
    if on_error not in ("SKIP_FILE", "ABORT_STATEMENT"):
        unknown.add(f"ON_ERROR = {on_error}")
    if not isinstance(copy.args["files"][0], exp.Subquery):
        unknown.add("FROM without (SELECT …)")
    if unknown:
        raise refusal(f"Not emulated: {', '.join(sorted(unknown))}.")


def option(options: dict[str, exp.Expr], name: str, default: str) -> str:
    return options[name].expression.name if name in options else default


def staged_files(root: Path, folder: str, pattern: re.Pattern) -> Iterator[Path]:
    """The files whose path in the stage starts with `folder`, by name; `pattern` is
    matched, as Snowpipe does, with the rest of the path, whole."""
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        rest = path.removeprefix(folder)
        if file.is_file() and path.startswith(folder) and pattern.fullmatch(rest):
            yield file


def is_asked_for(file: Path, name: str, options: dict[str, exp.Expr]) -> bool:
    """Whether FILES of the statement, or the prefix of a REFRESH, names the file; no
    REFRESH takes a file that landed more than 7 days ago."""
    if "FILES" in options:
        literals = options["FILES"].expression.find_all(exp.Literal)
        return name in {literal.name for literal in literals}
    if PREFIX in options:
        age = datetime.now(UTC) - datetime.fromtimestamp(file.stat().st_mtime, UTC)
        prefix = option(options, PREFIX, "")
        return age < REFRESH_REACHES and name.startswith(prefix)
    return True


def read_lines(
    file: Path, name: str, replace_invalid: bool, is_json: bool
) -> pyarrow.Table:
    """The non-empty lines of a file, with the metadata columns of a staged file.

    Lines end at LF or CR LF and nowhere else: U+2028 is text. Compression is detected
    from the bytes. With `replace_invalid` bytes that are not UTF-8 become U+FFFD, and
    halves of surrogate pairs too where the format is JSON.

    Raises ValueError for a gzip file that is broken or cut short.
    """
    stored = content = file.read_bytes()
    if stored.startswith(GZIP_MAGIC):
        try:
            content = gzip.decompress(stored)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"Error reading gzip: {error}") from None
    numbers, lines = [], []
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            numbers.append(number)
            line = line.removesuffix(b"\r")
            lines.append(replaced(line, is_json) if replace_invalid else line)
    changed = datetime.fromtimestamp(file.stat().st_mtime, UTC).replace(tzinfo=None)
    constants = {
        "METADATA$FILENAME": name,
        "METADATA$FILE_CONTENT_KEY": hashlib.md5(stored).hexdigest(),
        "METADATA$FILE_LAST_MODIFIED": changed,
        "METADATA$START_SCAN_TIME": datetime.now(UTC),
    }
    columns = {
        "$1": pyarrow.array(lines, pyarrow.large_string()),
        "METADATA$FILE_ROW_NUMBER": pyarrow.array(numbers, pyarrow.int64()),
    }
    for column, value in constants.items():
        columns[column] = pyarrow.repeat(pyarrow.scalar(value), len(lines))
    return pyarrow.table(columns)


def replaced(line: bytes, is_json: bool) -> bytes:
    """The line without invalid bytes, and without lone surrogates if it is JSON."""
    text = line.decode(errors="replace")
    if is_json and (r"\ud" in text or r"\uD" in text):
        text = ESCAPE.sub(lambda m: r"\ufffd" if m["lone"] else m[0], text)
    return text.encode()


def load_lines(
    connection: Any,
    lines: pyarrow.Table,
    select: exp.Select,
    target: exp.Expr,
    is_json: bool,
) -> None:
    """Insert what `select` makes of the lines: all of them, or none.

    Raises ValueError naming the first line that is not JSON, if the format is JSON.
    """
    connection.register("copied_lines", lines)
    try:
        [(invalid,)] = connection.execute(
            'select min("METADATA$FILE_ROW_NUMBER") from copied_lines'
            ' where not json_valid("$1")'
        ).fetchall()
        if invalid and is_json:
            raise ValueError(f"Error parsing JSON: line {invalid}")
        type_ = "json" if is_json else "varchar"
        source = f'select * replace ("$1"::{type_} as "$1") from copied_lines'
        rows = exp.select(*select.transform(name_column).expressions).from_(
            parse_one(source, read="duckdb").subquery("staged")
        )
        insert = exp.Insert(this=target.copy(), expression=rows)
        connection.execute(insert.sql("duckdb"))
    finally:
        connection.unregister("copied_lines")


def name_column(node: exp.Expr) -> exp.Expr:
    """`$1` is a column of the lines, not a parameter of the statement."""
    if isinstance(node, exp.Parameter):
        return exp.column(f"${node.name}", quoted=True)
    if isinstance(node, exp.Column) and node.name.upper().startswith("METADATA$"):
        return exp.column(node.name.upper(), quoted=True)
    return node


def answer(connection: Any, files: list[tuple]) -> str:
    """Answer COPY INTO: one row per file that was tried."""
    if files:
        names = ("file", "status", "rows_loaded", "first_error")
        rows = exp.values(files, alias="files", columns=names)
        sql = exp.select("*").from_(rows).sql("duckdb")
    else:
        sql = "select 'Copy executed with 0 files processed.' as status"
    connection.execute(sql)
    return sql
