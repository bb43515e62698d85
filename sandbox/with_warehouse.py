"""`python -m sandbox.with_warehouse -- COMMAND`: run dbt alone on DuckDB's file.

DuckDB's file takes one process. Of a file that is in use or damaged dbt shows a
traceback; this shows a sentence, before dbt starts. Other targets have no file.
"""

import fcntl
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from dotenv import load_dotenv

from sandbox.run import run, split_command

IN_USE = re.compile(r"Could not set lock .*\(PID (\d+)\)", re.DOTALL)
DAMAGED = re.compile(r"orrupt|not a valid DuckDB|checksum|enough bytes|deserialize")


class WarehouseFileError(Exception):
    """The file cannot be used; the message says why and what to do."""


@contextmanager
def alone_on(path: Path) -> Iterator[None]:
    """Keep other builds away from the file. Raises WarehouseFileError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = Path(f"{path}.lock").open("w")  # noqa: SIM115
    except OSError as error:
        raise WarehouseFileError(
            f"{path.parent} cannot be written to: {error.strerror}. Set WAREHOUSE to a"
            " file in another folder, or change who owns this one"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WarehouseFileError(
                f"another build is using {path}: wait until it has ended, then start"
                " again"
            ) from error
        yield


def check(path: Path) -> None:
    """Raises WarehouseFileError if DuckDB cannot open the file."""
    if not path.exists():
        return
    try:
        duckdb.connect(path).close()
    except duckdb.Error as error:
        text = " ".join(str(error).split())
        if found := IN_USE.search(text):
            advice = f"process {found[1]} has it open: end that one, then start again"
        elif DAMAGED.search(text):
            advice = (
                f"the file is damaged, or not DuckDB's ({text}). The landing holds all"
                f" that is in it: move it away (mv {path} {path}.damaged) and start"
                " again"
            )
        else:
            advice = text
        raise WarehouseFileError(f"{path} cannot be opened: {advice}") from error


def main() -> int:
    _, command = split_command(sys.argv[1:])
    load_dotenv(".env")
    path = Path(os.environ.get("WAREHOUSE") or "data/warehouse.duckdb")
    target = os.environ.get("TARGET") or "duckdb"
    if target != "duckdb" or str(path) == ":memory:":
        return run({}, command)
    try:
        with alone_on(path):
            check(path)
            return run({}, command)
    except WarehouseFileError as error:
        print(f"warehouse: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
