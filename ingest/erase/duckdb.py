"""Rebuild a DuckDB warehouse without erased persons: a part of `make erase`.

    python -m ingest.erase.duckdb -- COMMAND

Deletes their rows from the table of merges, runs the command, which rebuilds all models
from the landing (--full-refresh), and then rewrites the file: DuckDB keeps
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

from ingest.erasures import Erased, ErasedId, read_erased
from ingest.landing import LandingError, open_landing
from ingest.settings import Settings, SettingsError

DONE, LEFT, SETTINGS, NO_WAREHOUSE, _, NO_LANDING = range(6)

# Parts of the names of columns that may hold ids, by the kind of the id. The models'
# user_id holds the amplitude id of an anonymous user.
COLUMNS = {
    "user_id": ("user_id", "email"),
    "device_id": ("device_id",),
    "amplitude_id": ("amplitude_id", "user_id"),
}


def main() -> int:
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="python -m ingest.erase.duckdb")
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
    except SettingsError as error:
        code, problem = SETTINGS, str(error)
    except LandingError as error:
        code, problem = NO_LANDING, str(error)
    except (duckdb.Error, OSError) as error:
        # Not the message: DuckDB's may quote a value.
        reason = getattr(error, "strerror", None) or type(error).__name__
        problem = (
            f"{path} cannot be rewritten ({reason}), so that the file may still hold"
            " pages of deleted rows: run make erase again when nothing else uses it, or"
            " delete the file and run make dbt-build"
        )
        code = NO_WAREHOUSE
    else:
        print(f"{path} was rewritten, without the pages of deleted rows")
        try:
            tables = list(tables_with_ids(path, erased)) if erased else []
        except duckdb.Error as error:
            reason = type(error).__name__
            print(
                f"erase: its tables cannot be searched for ids ({reason}): run make"
                " erase again when nothing else uses the file",
                file=sys.stderr,
            )
            return LEFT
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
        for file, name, options in (
            (path, "old", ""),
            # As in dbt/profiles.yml, for tools with an older DuckDB.
            (new, "rewritten", "(storage_version 'v1.4.0')"),
        ):
            literal = str(file).replace("'", "''")
            connection.execute(f"attach '{literal}' as {name} {options}")
        # What a killed build has left in its log is in the file then, and copied.
        connection.execute("force checkpoint old")
        connection.execute("copy from database old to rewritten")
        connection.execute("checkpoint rewritten")
    shutil.copymode(path, new)
    log.unlink(missing_ok=True)
    new.replace(path)
    shutil.rmtree(f"{path}.tmp", ignore_errors=True)


def tables_with_ids(path: Path, erased: Erased) -> Iterator[str]:
    """Tables that hold an erased id in a column that is named as one of ids.

    A linked id that a user who is not erased has too is theirs.
    """
    with duckdb.connect(path, read_only=True) as connection:
        columns: dict[tuple[str, str], dict[str, str]] = {}
        for schema, table, column, data_type in connection.execute(
            "select schema_name, table_name, column_name, data_type"
            " from duckdb_columns() join duckdb_tables()"
            " using (database_oid, schema_oid, schema_name, table_oid, table_name)"
            " where not duckdb_tables.internal"
        ).fetchall():
            values = f"unnest({quoted(column)})" if data_type.endswith("]") else ""
            columns.setdefault((schema, table), {})[column.lower()] = (
                f"{values or quoted(column)}::varchar"
            )
        found: dict[tuple[str, str], set[ErasedId]] = {}
        in_use: set[ErasedId] = set()
        for (schema, table), values_of in sorted(columns.items()):
            project = values_of.get("project_id", "null")
            user = values_of.get("amplitude_user_id", "null")
            ids = erased if "project_id" in values_of else erased.of_all_projects()
            found[schema, table] = set()
            for kind, parts in COLUMNS.items():
                for name, values in values_of.items():
                    if not any(part in name for part in parts):
                        continue
                    rows = connection.execute(
                        f"select distinct {project}, {values}, {user}"
                        f" from {quoted(schema)}.{quoted(table)}"
                    ).fetchall()
                    for project_id, value, user_id in rows:
                        value = (value or "").removeprefix("user:")
                        if not value or not ids.has(project_id, kind, value):
                            continue
                        one = ErasedId(None, kind, erased.salt.hash(kind, value))
                        found[schema, table].add(one)
                        if user_id and not ids.has(project_id, "user_id", user_id):
                            in_use.add(one)
    given = erased.of_all_projects().given
    for (schema, table), of_table in found.items():
        if of_table & given or of_table - in_use:
            yield f"{schema}.{table}"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


if __name__ == "__main__":
    sys.exit(main())
