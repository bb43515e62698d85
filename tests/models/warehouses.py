"""Warehouses built through the front door, on both targets, from the same landing."""

import datetime
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import dbt_forks
import duckdb

from sandbox import snowflake
from sandbox.amplitude.export_api import serve

REPOSITORY = Path(__file__).parents[2]
DBT_COMMAND = Path(sys.executable).with_name("dbt")
# Below those that the system gives away.
PORT = 20000 + os.getpid() % 10000
LINK = Path(tempfile.gettempdir()) / f"warehouse-{os.getpid()}"
# The emulator of this process.
RUNNING = ExitStack()


def make(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess:
    """Run a target of the Makefile; its output is in `stdout`."""
    return subprocess.run(
        ["make", *arguments],
        cwd=REPOSITORY,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )


def land(export_dir: Path, landing: Path, *window: str) -> None:
    """Export a folder of the Export API's layout and land it."""
    with serve(export_dir) as api:
        settings = {"LANDING": str(landing), "AMP_PROJECT_ID": ""}
        run = make("ingest", *window, environment=api.environment | settings)
    assert run.returncode == 0, run.stdout


# What dbt has parsed in this process, by target, settings and variables.
PARSED: dict[tuple, Path] = {}


@dataclass
class Warehouse:
    """A warehouse on one of the targets, and what it takes to build and ask it."""

    target: str
    landing: Path
    folder: Path
    ask: Callable[[str], tuple[list[str], list[tuple]]]
    settings: dict[str, str] = field(default_factory=dict)
    project: Path = REPOSITORY / "dbt"

    def make(self, target: str, *arguments: str) -> subprocess.CompletedProcess:
        """A target of the Makefile, with these as its `ARGS`."""
        with self.parsed_project(arguments) as environment:
            given = f"ARGS={shlex.join(arguments)}".replace("$", "$$")
            return make(target, given, environment=environment)

    def build(self, *arguments: str) -> str:
        """`dbt build` as `make dbt-build` does it, without unit tests; returns what it
        printed, fails if it failed."""
        return self.dbt("build", "--exclude-resource-type", "unit_test", *arguments)

    def try_build(self, *arguments: str) -> subprocess.CompletedProcess:
        """The same, which may fail."""
        return self.try_dbt("build", "--exclude-resource-type", "unit_test", *arguments)

    def run(self, *arguments: str) -> None:
        """`dbt build`, without tests."""
        self.dbt("build", "--exclude-resource-type", "test", "unit_test", *arguments)

    def test(self, *arguments: str) -> None:
        """`dbt test`, without unit tests."""
        self.dbt("test", "--exclude-resource-type", "unit_test", *arguments)

    def unit_test(self, *arguments: str) -> None:
        """`dbt test`, unit tests only. They do not look at what has landed."""
        self.dbt("test", "--resource-type", "unit_test", *arguments)

    def dbt(self, *arguments: str) -> str:
        """A command of dbt; returns what it printed, fails if it failed."""
        run = self.try_dbt(*arguments)
        assert run.returncode == 0, run.stdout
        return run.stdout

    def try_dbt(self, *arguments: str) -> subprocess.CompletedProcess:
        """A command of dbt, which may fail; its output is in `stdout`."""
        command = ["--no-use-colors", *arguments]
        with self.parsed_project(arguments) as environment:
            return dbt_forks.run(command, os.environ | environment)

    def kill_run(self, after: int = 1, model: str = "") -> None:
        """`kill -9` a `dbt build` when it has made so many models, or this one."""
        without_tests = ["--exclude-resource-type", "test", "unit_test"]
        with (
            self.parsed_project(()) as environment,
            subprocess.Popen(
                [DBT_COMMAND, "--no-use-colors", "build", *without_tests],
                cwd=REPOSITORY,
                env=os.environ | environment | {"PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as run,
        ):
            assert run.stdout
            made = (x for x in run.stdout if " OK created " in x and model in x)
            for _ in islice(made, after):
                pass
            run.kill()
        assert run.returncode == -signal.SIGKILL

    @contextmanager
    def parsed_project(self, arguments: Sequence[str]) -> Iterator[dict[str, str]]:
        """The environment of a command of dbt that need not parse the whole project.

        dbt keeps what it has parsed in its target folder, for the same variables and
        settings. One of these is the path of the warehouse, so all warehouses of this
        process have one path, through a link to the folder, and the first leaves what
        it parsed to the others.
        """
        environment = self.environment()
        given = " ".join(arguments).partition("--vars")[2]
        settings = {**self.settings, "WAREHOUSE": None}
        key = (self.target, given, *sorted(settings.items()))
        kept = PARSED.setdefault(key, Path(tempfile.mkdtemp()) / "parsed.msgpack")
        parsed = Path(environment["DBT_TARGET_PATH"]) / "partial_parse.msgpack"
        if kept.exists() and not parsed.exists():
            parsed.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(kept, parsed)
        if warehouse := self.settings.get("WAREHOUSE"):
            LINK.unlink(missing_ok=True)
            LINK.symlink_to(Path(warehouse).parent, target_is_directory=True)
            environment["WAREHOUSE"] = str(LINK / Path(warehouse).name)
        yield environment
        if parsed.exists() and not kept.exists():
            shutil.copy(parsed, kept)

    def environment(self) -> dict[str, str]:
        return {
            "TARGET": self.target,
            "LANDING": str(self.landing),
            "DBT_SCHEMA": "amplitude",
            "DBT_PROJECT_DIR": str(self.project),
            "DBT_PROFILES_DIR": str(self.project),
            "DBT_TARGET_PATH": str(self.folder / f"dbt_{self.target}"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
        } | self.settings

    def rows(self, query: str) -> list[tuple]:
        """The rows of a query, in plain Python values."""
        _, rows = self.ask(query)
        return [tuple(plain(value) for value in row) for row in rows]

    def value(self, query: str) -> Any:
        ((value,),) = self.rows(query)
        return value

    def table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table, each with its values by lower-case column."""
        columns, rows = self.ask(f"select * from {name}")
        names = [column.lower() for column in columns]
        return [
            dict(zip(names, (plain(value) for value in row), strict=True))
            for row in rows
        ]


def plain(value: Any) -> Any:
    """The value as both targets would give it."""
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.date):
        return str(value)
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.dumps(json.loads(value), sort_keys=True)
        except ValueError:
            return value
    return value


def told(found: dict) -> str:
    """Some of the rows that differ, by model."""
    return "\n\n".join(
        f"{model}: {len(one)} rows only in the first, {len(other)} only in the other\n"
        + "\n".join([*one[:2], "---", *other[:2]])
        for model, (one, other) in found.items()
    )


def open_duckdb(landing: Path, folder: Path) -> Warehouse:
    """A DuckDB warehouse in the folder."""
    path = folder / "warehouse.duckdb"

    def ask(query: str) -> tuple[list[str], list[tuple]]:
        with duckdb.connect(path, read_only=True) as connection:
            cursor = connection.execute(query)
            return [column[0] for column in cursor.description], cursor.fetchall()

    settings = {"WAREHOUSE": str(path)}
    return Warehouse("duckdb", landing, folder, ask, settings)


@contextmanager
def emulator(landing: Path | None) -> Iterator[dict[str, str]]:
    """The emulator, with the landing loaded if one is given, always at the same port of
    this process: for another one dbt would parse the whole project again.

    There is one at a time. The sample's lives until the session ends, so the next one,
    after the sample's tests, stops it.
    """
    RUNNING.close()
    with RUNNING:
        yield RUNNING.enter_context(snowflake.emulator(landing, PORT))


def open_snowflake(landing: Path, folder: Path, variables: dict[str, str]) -> Warehouse:
    """A warehouse on the emulator that the variables lead to."""

    def ask(query: str) -> tuple[list[str], list[tuple]]:
        with snowflake.connect(variables) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return [column[0] for column in cursor.description], cursor.fetchall()

    return Warehouse("snowflake", landing, folder, ask, variables)
