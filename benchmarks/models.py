"""What the models cost on DuckDB as data grows.

    python -m benchmarks.models --events 2000000 --rounds 3

A month of events lands once. The floor is DuckDB reading and parsing the landed files
into one typed table, without dbt: before and after a full build, because machines slow
down as they work. Then a month without its last day, and that day on top; nothing new;
dbt itself, with a project of one model; a few events of old sessions; these without the
analyses. Then a full build with them. Each is a process of its own (dbt, or one that
only calls DuckDB), measured by the operating system.
"""

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

import duckdb

from benchmarks.events import PROJECT, write_export
from benchmarks.processes import REPOSITORY, Cost, measure, service

DAYS = 30
LAST_DAY = "2026-01-30"
OLD_DAY = "2026-01-02"
NEXT_DAY = "2026-01-31"

TEXT = (
    "$insert_id $insert_key $schema adid amplitude_event_type city country data_type"
    " device_brand device_carrier device_family device_id device_manufacturer"
    " device_model device_type dma event_type idfa ip_address language library os_name"
    " os_version partner_id paying platform region source_id start_version user_id uuid"
    " version_name"
)
TIMES = (
    "client_event_time client_upload_time event_time processed_time"
    " server_received_time server_upload_time user_creation_time"
)
OBJECTS = (
    "amplitude_attribution_ids data event_properties global_user_properties"
    " group_properties groups plan user_properties"
)
COLUMNS = {
    **dict.fromkeys(TEXT.split(), "varchar"),
    **dict.fromkeys(TIMES.split(), "timestamp"),
    **dict.fromkeys(OBJECTS.split(), "json"),
    **dict.fromkeys(["amplitude_id", "app", "event_id", "session_id"], "bigint"),
    **dict.fromkeys(["location_lat", "location_lng", "sample_rate"], "double"),
    "is_attribution_event": "boolean",
}

PROJECT_DIR = REPOSITORY / "dbt"

# Without tests, but with the seeds.
BUILD_ALL = "dbt.cli.main --quiet build --exclude-resource-type test unit_test"
BUILD = f"{BUILD_ALL} --exclude tag:analyses"

# Each step, and the one that it is measured against.
STEPS = {
    "floor": "floor",
    "full build": "floor",
    "+1 day of 30": "full build",
    "nothing new": "full build",
    "dbt alone": "full build",
    "old sessions": "full build",
    "full build with analyses": "floor",
}


def floor(landing: str, warehouse: str) -> None:
    """Parse every landed file once, into one typed table."""
    with duckdb.connect(warehouse, config={"threads": 2}) as connection:
        connection.execute(
            "create table events as select * from read_json("
            f"'{landing}/events/*/*/*/*.json.gz', format = 'newline_delimited',"
            f" columns = {COLUMNS})"
        )


def land(folder: Path, event_count: int) -> Path:
    """Export and land a month; returns the landing."""
    write_export(folder / "export", event_count, DAYS)
    landing = folder / "month"
    with service(
        "sandbox.amplitude.export_api", "--stored", "--export", f"{folder}/export"
    ) as api:
        subprocess.run(
            [sys.executable, "-m", "ingest", "--start=2026-01-01", f"--end={LAST_DAY}"],
            cwd=folder,
            env=os.environ | api | {"LANDING": str(landing)} | PATHS,
            check=True,
        )
    return landing


PATHS = {"PYTHONPATH": str(REPOSITORY)}


def add_day(month: Path, landing: Path, day: str) -> None:
    """Let a day of the month land in another landing, too."""
    for kind in ("events", "ledger"):
        source = month / kind / str(PROJECT) / day
        shutil.copytree(
            source, landing / kind / str(PROJECT) / day, copy_function=os.link
        )


def add_old_events(month: Path, landing: Path) -> None:
    """Let an hour land in which events of old sessions were uploaded."""
    path = min((month / "events" / str(PROJECT) / OLD_DAY).rglob("*.json.gz"))
    lines = []
    for line in gzip.decompress(path.read_bytes()).splitlines():
        row = json.loads(line)
        row["uuid"] = str(uuid.uuid5(uuid.NAMESPACE_OID, row["uuid"]))
        row["$insert_id"] = f"late-{row['$insert_id']}"
        row["server_upload_time"] = f"{NEXT_DAY} 00:30:00.000000"
        lines.append(json.dumps(row) + "\n")
    content = gzip.compress("".join(lines).encode())
    name = f"0-{hashlib.sha256(content).hexdigest()[:16]}.json.gz"
    folder = landing / "events" / str(PROJECT) / NEXT_DAY / "00"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)


def smallest_project(folder: Path) -> Path:
    """A project of one model, whose build is dbt's own cost."""
    project = folder / "smallest"
    (project / "models").mkdir(parents=True)
    (project / "models" / "one.sql").write_text("select 1 as one\n")
    (project / "dbt_project.yml").write_text(
        "{name: smallest, profile: amplitude_warehouse,"
        " flags: {send_anonymous_usage_stats: false}}\n"
    )
    return project


def round_of(month: Path, folder: Path) -> Iterator[tuple[str, Cost]]:
    """Take every step once; yields its name and cost."""
    # One path for all: dbt parses everything again when the profile changes.
    warehouse = folder / "warehouse.duckdb"

    def run(
        landing: Path, name: str, module: str = BUILD, project: Path = PROJECT_DIR
    ) -> Cost:
        environment = {
            "DBT_PROJECT_DIR": str(project),
            "DBT_PROFILES_DIR": str(PROJECT_DIR),
            "DBT_TARGET_PATH": str(folder / f"target-{project.name}"),
            "DBT_LOG_PATH": str(folder / "logs"),
            "DBT_SCHEMA": "amplitude",
            "TARGET": "duckdb",
            "LANDING": str(landing),
            "WAREHOUSE": str(warehouse),
        }
        kept = folder / f"{name}.duckdb"
        if kept.exists():
            kept.rename(warehouse)
        # This step does not wait for what the step before wrote.
        os.sync()
        cost = measure(module, os.environ | PATHS | environment, folder)
        if warehouse.exists():
            warehouse.rename(kept)
        return cost

    # What is parsed once is not parsed again.
    smallest = smallest_project(folder)
    for project in (PROJECT_DIR, smallest):
        run(month, "none", "dbt.cli.main --quiet parse", project)
    command = f"benchmarks.models --floor {month} {warehouse}"
    yield "floor", run(month, "floor", command)
    yield "full build", run(month, "full")
    (folder / "floor.duckdb").unlink()
    yield "floor", run(month, "floor", command)
    landing = folder / "landing"
    for day in range(1, DAYS):
        add_day(month, landing, f"2026-01-{day:02}")
    run(landing, "grown")
    add_day(month, landing, LAST_DAY)
    yield "+1 day of 30", run(landing, "grown")
    yield "nothing new", run(landing, "grown")
    yield "dbt alone", run(landing, "alone", "dbt.cli.main --quiet run", smallest)
    add_old_events(month, landing)
    yield "old sessions", run(landing, "grown")
    yield "full build with analyses", run(month, "all", BUILD_ALL)


KINDS = {"operation": "all hooks", "seed": "all seeds"}


def dominating(folder: Path) -> str:
    """The last build's slowest nodes, in thread-seconds. Its wall time is less than all
    of them, because threads work side by side, and more, because dbt has to start."""
    results = folder / f"target-{PROJECT_DIR.name}" / "run_results.json"
    spent: dict[str, float] = defaultdict(float)
    for result in json.loads(results.read_text())["results"]:
        kind, _, name = result["unique_id"].split(".")[:3]
        spent[KINDS.get(kind, name)] += result["execution_time"]
    slowest = sorted(spent.items(), key=lambda one: -one[1])[:5]
    listed = ", ".join(f"{name} {seconds:.1f}" for name, seconds in slowest)
    return f"{listed}; all nodes {sum(spent.values()):.1f}"


def table(rounds: list[dict[str, list[Cost]]]) -> Iterator[str]:
    """The medians, as lines of Markdown; of the ratios, within a round."""

    def wall(costs: list[Cost]) -> float:
        return mean(cost.wall for cost in costs)

    yield "| step | wall | ratio | of | CPU | memory |"
    yield "|---|---|---|---|---|---|"
    for step, one_of in STEPS.items():
        found = [cost for costs in rounds for cost in costs[step]]
        seconds = median(cost.wall for cost in found)
        ratio = median(wall(costs[step]) / wall(costs[one_of]) for costs in rounds)
        cpu = median(cost.cpu for cost in found)
        memory = max(cost.memory for cost in found)
        yield (
            f"| {step} | {seconds:.1f} s | {ratio:.2f} | {one_of} | {cpu:.1f} s"
            f" | {memory / 1e6:.0f} MB |"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.models", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--floor", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.floor:
        floor(*asked.floor)
        return 0
    subprocess.run(
        [sys.executable, "-m", "runner.dbt_packages"], cwd=REPOSITORY, check=True
    )
    rounds, spent = [], {}
    with tempfile.TemporaryDirectory() as name:
        month = land(Path(name), asked.events)
        for number in range(asked.rounds):
            folder = Path(name, f"round-{number}")
            folder.mkdir()
            costs: dict[str, list[Cost]] = defaultdict(list)
            for step, cost in round_of(month, folder):
                print(step, cost, file=sys.stderr)
                costs[step].append(cost)
                if step not in ("floor", "dbt alone"):
                    spent[step] = dominating(folder)
            rounds.append(costs)
            shutil.rmtree(folder)
    print(*table(rounds), "", sep="\n")
    for step, listed in spent.items():
        print(f"{step}, thread-seconds: {listed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
