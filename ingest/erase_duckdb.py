"""Rebuild a DuckDB warehouse without erased persons: a part of `make erase`.

    python -m ingest.erase_duckdb -- COMMAND

Deletes their rows from the table of merges, runs the command, which builds all models
again from the landing (--full-refresh), and then writes the file anew: DuckDB keeps
the old pages of a table that was replaced, with their rows, until other rows need the
room, and neither CHECKPOINT nor VACUUM gives them back. Killed anywhere, it is run
again from the start.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
from dotenv import load_dotenv

from ingest.erasures import Erased, read_erased
from ingest.landing import LandingError, open_landing
from ingest.settings import Settings, SettingsError

DONE, LEFT, SETTINGS, NO_WAREHOUSE, _, NO_LANDING = range(6)

# Columns that hold ids, by the kind of the id.
COLUMNS = {
    "user_id": ("user_id", "amplitude_user_id"),
    "device_id": ("device_id",),
    "amplitude_id": (
        "amplitude_id",
        "merged_amplitude_id",
        "unmerged_user_id",
        "user_id",
    ),
}


def main() -> int:
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="python -m ingest.erase_duckdb")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    command = parser.parse_args().command
    load_dotenv(".env")
    # Of a link, the file that it leads to.
    path = Path(os.environ.get("WAREHOUSE") or "data/warehouse.duckdb").resolve()
    try:
        settings = Settings.read(os.environ, with_amplitude=False)
        erased = read_erased(open_landing(settings), settings.erasure_salt)
        if erased and path.exists():
            delete_merges(path, erased)
        if code := subprocess.run(command).returncode:
            return code
        rewrite(path)
        tables = list(tables_with_ids(path, erased)) if erased else []
    except SettingsError as error:
        code, problem = SETTINGS, str(error)
    except LandingError as error:
        code, problem = NO_LANDING, str(error)
    except (duckdb.Error, OSError) as error:
        # Not the message: DuckDB's may quote a value.
        reason = getattr(error, "strerror", None) or type(error).__name__
        problem = (
            f"{path} cannot be written anew ({reason}), so that the file may still hold"
            " pages of deleted rows: run make erase again when nothing else uses it, or"
            " delete the file and run make dbt-build"
        )
        code = NO_WAREHOUSE
    else:
        print(f"{path} was written anew, without the pages of deleted rows")
        for table in tables:
            print(
                f"{table} still holds ids of erased persons: if no model makes it,"
                " delete their rows, or the table, and run make erase again"
            )
        return LEFT if tables else DONE
    print(f"erase: {problem}", file=sys.stderr)
    return code


def delete_merges(path: Path, erased: Erased) -> None:
    """Delete the erased persons' rows from the table of merges, if there is one."""
    schema = os.environ.get("SNOWFLAKE_RAW_SCHEMA") or "amplitude"
    with duckdb.connect(path) as connection:
        found = connection.execute(
            "select column_name from duckdb_columns()"
            " where schema_name = ? and table_name = 'merges'",
            [schema],
        ).fetchall()
        columns = {name for (name,) in found}
        if not {"amplitude_id", "merged_amplitude_id"} <= columns:
            return
        has_project = "project_id" in columns
        project = "project_id" if has_project else "null"
        erased = erased if has_project else erased.of_all_projects()
        rows = connection.execute(
            f"select distinct {project}::varchar, amplitude_id::varchar,"
            f' merged_amplitude_id::varchar from "{schema}".merges'
        ).fetchall()
        for row in rows:
            if any(
                value and erased.has(row[0], "amplitude_id", value) for value in row[1:]
            ):
                connection.execute(
                    f'delete from "{schema}".merges where'
                    f" {project}::varchar is not distinct from ?"
                    " and amplitude_id::varchar is not distinct from ?"
                    " and merged_amplitude_id::varchar is not distinct from ?",
                    row,
                )


def rewrite(path: Path) -> None:
    """Copy everything to a new file, and put that in place of the old one."""
    new = path.with_name(f"{path.name}.new")
    log = Path(f"{path}.wal")
    for left in (new, Path(f"{new}.wal")):
        left.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        # As literals: ATTACH takes no parameters.
        for file, name in ((path, "old"), (new, "rewritten")):
            literal = str(file).replace("'", "''")
            connection.execute(f"attach '{literal}' as {name}")
        # What a killed build has left in its log is in the file then, and copied.
        connection.execute("force checkpoint old")
        connection.execute("copy from database old to rewritten")
        connection.execute("checkpoint rewritten")
    shutil.copymode(path, new)
    log.unlink(missing_ok=True)
    new.replace(path)
    shutil.rmtree(f"{path}.tmp", ignore_errors=True)


def tables_with_ids(path: Path, erased: Erased) -> Iterator[str]:
    """Tables that hold an erased id in a column that is named as one of ids."""
    with duckdb.connect(path, read_only=True) as connection:
        columns: dict[str, set[str]] = {}
        for schema, table, column in connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns()"
            " where not internal"
        ).fetchall():
            columns.setdefault(f'"{schema}"."{table}"', set()).add(column)
        for table, names in sorted(columns.items()):
            has_project = "project_id" in names
            project = "project_id" if has_project else "null"
            ids = erased if has_project else erased.of_all_projects()
            for kind, of_kind in COLUMNS.items():
                if any(
                    ids.has(project_id, kind, value.removeprefix("user:"))
                    for name in of_kind
                    if name in names
                    for project_id, value in connection.execute(
                        f"select distinct {project}::varchar, {name}::varchar"
                        f" from {table} where {name} is not null"
                    ).fetchall()
                ):
                    yield table.replace('"', "")
                    break


if __name__ == "__main__":
    sys.exit(main())
