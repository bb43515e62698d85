"""The links of a pipeline on this machine alone: a folder, and DuckDB."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from doctor.checks import CheckFailed, CheckSkipped, Context
from doctor.sources import amplitude, clock
from ingest.landing import open_landing
from ingest.landing.ledger import read_ledger
from ingest.windows import last_safe_hour
from runner.duckdb_file import WarehouseFileError, open_warehouse, warehouse_file
from runner.settings import SettingsFileError, read_settings, settings_file

# A day of two million events takes about 0.5 GB in the landing, and 0.3 in DuckDB.
FREE_BYTES = 2 * 10**9
FRESH = timedelta(days=2)
DBT_SECONDS = 180
NOTHING_LANDED = "nothing has landed yet: make ingest START=2026-01-31"


def settings_are_set(context: Context) -> str:
    given = context.settings.given
    missing = [n for n in ("AMP_API_KEY", "AMP_SECRET_KEY") if not given.get(n)]
    if missing:
        raise CheckSkipped(
            f"{' and '.join(missing)} not set: `make ingest` needs them"
            " (cp .env.example .env); `make demo` does not"
        )
    return f"landing {context.settings.landing}, TARGET=duckdb"


def keys(context: Context) -> str:
    if not context.settings.given.get("AMP_API_KEY"):
        raise CheckSkipped("no keys are set")
    return amplitude(context)


def landing(context: Context) -> str:
    """Writable, or can be created; and has free space for some days."""
    if context.settings.is_on_s3:
        raise CheckFailed(
            "DuckDB reads a landing in a folder, and LANDING names a bucket",
            "set LANDING=data/landing, or TARGET=snowflake",
        )
    folder = Path(context.settings.landing)
    there = folder
    while not there.exists():
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        raise CheckFailed(
            f"{there} is not writable: {error.strerror}",
            "set LANDING to a folder that you own, or change the owner of this one",
        ) from error
    if free < FREE_BYTES:
        raise CheckFailed(
            f"the disk of {there} has only {free / 10**9:.1f} GB free",
            "free disk space, or set LANDING and WAREHOUSE to another disk",
        )
    return f"{folder} is writable, {free / 10**9:.0f} GB are free"


def ledger(context: Context) -> str:
    now = datetime.now(UTC)
    # The doctor makes no folder.
    if not context.settings.is_on_s3 and not Path(context.settings.landing).exists():
        raise CheckSkipped(NOTHING_LANDED)
    files = read_ledger(open_landing(context.settings), now)
    records = [record for _, lines in files for record in lines]
    if not records:
        raise CheckSkipped(NOTHING_LANDED)
    newest = max(record.hour for record in records)
    hours = len({(record.project_id, record.hour) for record in records})
    if (
        context.settings.given.get("AMP_API_KEY")
        and last_safe_hour(now) - newest > FRESH
    ):
        raise CheckFailed(
            f"the newest upload hour that has landed is {newest:%Y-%m-%d %H}:00 UTC",
            "make ingest",
        )
    return f"{hours:,} upload hours, the newest {newest:%Y-%m-%d %H}:00 UTC"


def variables(context: Context) -> str:
    path = settings_file()
    try:
        given = read_settings(path)
    except SettingsFileError as error:
        raise CheckFailed(
            str(error), f"correct {path}; see settings.example.yml"
        ) from error
    # dbt checks the values while it parses; its file is not the warehouse's.
    finished = run_dbt("parse", "--no-partial-parse")
    if finished.returncode:
        lines = [line.strip() for line in finished.stdout.splitlines() if line.strip()]
        wrong = [line for line in lines if line.startswith("- ")] or lines[-3:]
        raise CheckFailed(
            f"dbt cannot parse the project: {'; '.join(wrong)}",
            f"correct {path} or dbt/own, then make doctor",
        )
    return f"{len(given)} from {path}, valid" if given else "the defaults"


def run_dbt(*arguments: str) -> subprocess.CompletedProcess[str]:
    project = Path(__file__).parents[1] / "dbt"
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [sys.executable, "-m", "runner", "--no-use-colors", *arguments],
            env={
                "DBT_PROJECT_DIR": str(project),
                "DBT_PROFILES_DIR": str(project),
                "PYTHONPATH": str(project.parent),
            }
            | os.environ
            | {
                "WAREHOUSE": ":memory:",
                "DBT_TARGET_PATH": folder,
                "DBT_LOG_PATH": folder,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DBT_SECONDS,
        )


def warehouse(context: Context) -> str:
    path = warehouse_file(context.settings.given)
    if path is None:
        raise CheckSkipped("it is in memory")
    if not path.exists():
        raise CheckSkipped(f"{path} does not exist yet: make dbt-build")
    try:
        open_warehouse(path, read_only=True).close()
    except WarehouseFileError as error:
        message, _, fix = str(error).rpartition(": ")
        raise CheckFailed(message, fix) from error
    return f"{path}, {path.stat().st_size / 10**6:,.0f} MB"


CHECKS: dict[str, Callable[[Context], str]] = {
    "settings": settings_are_set,
    "clock": clock,
    "Amplitude": keys,
    "landing": landing,
    "ledger": ledger,
    "warehouse": warehouse,
    "variables and models": variables,
}
