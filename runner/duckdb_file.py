"""DuckDB's file: one build at a time, and one sentence if it cannot be opened.

DuckDB lets one process write to a file. If another process has it open, or it is
damaged, dbt shows a traceback; this shows a sentence before dbt starts.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

IN_USE = re.compile(r"Could not set lock .*\(PID (\d+)\)", re.DOTALL)
DAMAGED = re.compile(r"orrupt|not a valid DuckDB|checksum|enough bytes|deserialize")


class WarehouseFileError(Exception):
    """The file cannot be used; the message says why and what to do."""


def warehouse_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file that the target of dbt's profile writes to, or None if it has none."""
    path = environment.get("WAREHOUSE") or "data/warehouse.duckdb"
    target = environment.get("TARGET") or "duckdb"
    return None if target != "duckdb" or path == ":memory:" else Path(path)


@contextmanager
def locked_warehouse(path: Path | None) -> Iterator[None]:
    """Keep other builds away from the file, also after `exec`.

    Raises:
        WarehouseFileError: another build or program uses it, or it cannot be opened.
    """
    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = Path(f"{path}.lock").open("w")  # noqa: SIM115
    except OSError as error:
        raise WarehouseFileError(
            f"{path.parent} is not writable: {error.strerror}. Set WAREHOUSE to a"
            " file in another folder, or change the owner of this one"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WarehouseFileError(
                f"another build is using {path}: wait until it has ended, then start"
                " again"
            ) from error
        os.set_inheritable(lock.fileno(), True)
        if path.exists():
            open_warehouse(path, read_only=False).close()
        yield


def open_warehouse(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open a file that exists.

    Raises:
        WarehouseFileError: it does not exist, is damaged or in use.
    """
    if not path.exists():
        raise WarehouseFileError(
            f"{path} does not exist yet: run `make dbt-build` first, or `make demo`"
        )
    try:
        return duckdb.connect(path, read_only=read_only)
    except duckdb.Error as error:
        raise WarehouseFileError(
            f"{path} cannot be opened: {_advice(path, error)}"
        ) from error


def _advice(path: Path, error: duckdb.Error) -> str:
    text = " ".join(str(error).split())
    if found := IN_USE.search(text):
        return f"process {found[1]} has it open: close that program, then start again"
    if DAMAGED.search(text):
        return (
            f"the file is damaged, or not DuckDB's ({text}). The landing holds all that"
            f" is in it: move it away (mv {path} {path}.damaged) and start again"
        )
    return text
