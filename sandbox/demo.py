"""`make demo`: take the sample export the whole way, with one line for each step.

Every step runs as it does in production, but dbt runs in this process, so that it
starts and parses once. V=1 shows what the steps print; without, it is in `logs/` only.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbt_common.events.base_types import EventMsg

from report import documentation
from report.__main__ import write_report
from report.warehouse import WarehouseError
from runner.duckdb_file import WarehouseFileError, locked_warehouse, warehouse_file
from runner.project import DbtError, Project
from sandbox.amplitude.export_api import serve

START, END = "2026-01-12", "2026-01-18"

COUNTS = """
select
    (
        select sum(event_count) from amplitude_staging.stg_amplitude__upload_hours
    ) as exported,
    (select count(*) from amplitude_staging.base_amplitude__events) as landed,
    (select count(*) from amplitude_staging.stg_amplitude__events) as staged,
    (
        select count(distinct session_id)
        from amplitude_staging.stg_amplitude__events
    ) as sessions,
    (
        select count(distinct user_id)
        from amplitude_staging.stg_amplitude__events
    ) as users
"""

TOP_REPEAT_CLICKS = """
select event_count, average_gap_seconds, element, page_url
from amplitude.amplitude__repeat_clicks
where event_type = '[Amplitude] Element Clicked'
order by event_count desc, average_gap_seconds
limit 5
"""


class DemoError(Exception):
    """A step failed; the message says why."""


class Steps:
    """Prints a line a step: its number, what it does, what came out, seconds."""

    def __init__(self, count: int, *, verbose: bool) -> None:
        self._count = count
        self._done = 0
        self._head = ""
        self._verbose = verbose
        self._moves = sys.stdout.isatty() and not verbose

    @contextmanager
    def step(self, name: str, what: str) -> Iterator[list[str]]:
        """The step puts its result, in words, into the list."""
        self._done += 1
        self._head = f"{self._done}/{self._count} {name:<7} {what:<43} "
        result: list[str] = []
        started = time.monotonic()
        print(self._head, end="\n" if self._verbose else "", flush=True)
        yield result
        seconds = time.monotonic() - started
        again = (
            self._head if self._verbose else "\r" + self._head if self._moves else ""
        )
        clear = "\x1b[K" if self._moves else ""
        print(f"{again}{', '.join(result)} ({seconds:.1f} s){clear}")

    def show(self, state: str) -> None:
        """Show how far the step is, on a terminal."""
        if self._moves:
            print(f"\r{self._head}{state}\x1b[K", end="", flush=True)


class Messages:
    """Of dbt's messages: how far the build is, and the errors."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.errors: list[str] = []

    def __call__(self, event: EventMsg) -> None:
        message: str = event.info.msg  # type: ignore[attr-defined]
        if event.info.name == "LogStartLine":
            self._steps.show(message.partition(" START")[0])
        elif event.info.level == "error":
            self.errors.append(message)


def main() -> int:
    # What a run writes is for its own user alone, as in `make ingest dbt-build`.
    os.umask(0o077)
    verbose = os.environ.get("V", "0") not in ("", "0")
    steps = Steps(4, verbose=verbose)
    messages = Messages(steps)
    project = Project("info" if verbose else "none", [messages])
    try:
        with steps.step(
            "ingest", "Amplitude's Export API → JSON in a folder"
        ) as result:
            result.append(ingest(verbose))
        with locked_warehouse(warehouse_file()):
            with steps.step(
                "build", "dbt: tables on DuckDB, and their tests"
            ) as result:
                result.append(build(project))
            with steps.step("report", "one page of charts") as result:
                result.append(str(write_report(project, Path(os.environ["REPORT"]))))
            with steps.step("docs", "every table, column and test") as result:
                result.append(
                    str(documentation.write(project, Path(os.environ["DOCS"])))
                )
            print(summary(project))
    except (DemoError, DbtError, WarehouseError, WarehouseFileError) as error:
        lines = ["", *messages.errors, f"demo: {error}"]
        print("\n".join(lines), file=sys.stderr)
        return 1
    return 0


def ingest(verbose: bool) -> str:
    """Land the sample export from the local Export API."""
    command = [sys.executable, "-m", "ingest", "--start", START, "--end", END]
    output = None if verbose else subprocess.PIPE
    with serve() as api:
        environment = os.environ | api.environment
        ended = subprocess.run(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True
        )
    if ended.returncode:
        raise DemoError(f"{ended.stdout or ''}the ingest failed ({ended.returncode})")
    files = len(list(Path(os.environ["LANDING"], "events").rglob("*.json.gz")))
    return f"{files} files landed"


def build(project: Project) -> str:
    """Build and test all models."""
    is_built, results = project.run("build", "--exclude-resource-type", "unit_test")
    if not is_built:
        raise DemoError("the build failed; logs/dbt.log has the details")
    kinds = Counter(str(result.node.resource_type) for result in results)
    unchanged = sum(
        result.node.resource_type == "model" and result.message == "UP TO DATE"
        for result in results
    )
    models = f"{kinds['model'] - unchanged} models built"
    up_to_date = f", {unchanged} up to date" if unchanged else ""
    return f"{models}{up_to_date}, {kinds['test']} tests passed"


def summary(project: Project) -> str:
    """What became of the sample's events, and what to try next."""
    with project.adapter.connection_named("summary"):
        (counts,) = query(project, COUNTS)
        clicks = query(project, TOP_REPEAT_CLICKS)
    exported, landed, staged, sessions, users = counts
    top = "\n".join(
        f"  {count:>6} {gap:>17.1f}   {element} on {page}"
        for count, gap, element, page in clicks
    )
    view = "open" if sys.platform == "darwin" else "xdg-open"
    return f"""
Seven days of the sample export:

  exported   {exported:>7,} events   by the ledger of the landing
  landed     {landed:>7,} events   in base_amplitude__events
  staged     {staged:>7,} events   in stg_amplitude__events,
                              {landed - staged:,} duplicates removed
  sessions   {sessions:>7,}
  users      {users:>7,}

Top repeat clicks, from amplitude__repeat_clicks:

  clicks   seconds between   element and page
{top}

Try next:

  {view} {os.environ["REPORT"]}/index.html
  {view} {os.environ["DOCS"]}/index.html
  make query SQL="from amplitude.amplitude__funnels select funnel, step, user_count"
  make ledger
"""


def query(project: Project, sql: str) -> list[tuple]:
    _, cursor = project.adapter.add_query(sql, auto_begin=False)
    return cursor.fetchall()


if __name__ == "__main__":
    sys.exit(main())
