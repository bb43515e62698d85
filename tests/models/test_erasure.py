"""make erase, to the last byte of the warehouse."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from test_increments import IGNORED, SCHEMAS, compared
from warehouses import (
    REPOSITORY,
    Warehouse,
    emulator,
    land,
    make,
    open_duckdb,
    open_snowflake,
    told,
)

from sandbox.amplitude.export_api import EXPORT_DIR

SALT = "0123456789abcdef0123456789abcdef"
LINKED = ("--also-linked",)
DAYS = ("2026-01-13", "2026-01-14")
WINDOW = ("START=2026-01-13", "END=2026-01-14")

# What tells that there was an erasure: the ledger, and when it was written.
OF_THE_LEDGER = {"base_amplitude__ledger_lines", "stg_amplitude__upload_hours"}
OF_AN_EXPORT = IGNORED | {"exported_at", "hour_export_count"}
# Gzip's header tells who compressed it.
OF_A_FILE = {"landed_row_id", "landing_key", "sha256", "file_content_id"}


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """An export of two days, one that never had anything of a person, and all ids of
    the person."""
    whole, without = (tmp_path_factory.mktemp(name) for name in ("whole", "without"))
    rows = {}
    for day in DAYS:
        for path in EXPORT_DIR.glob(f"*/*_{day}_*"):
            name = f"{path.parent.name}/{path.name}"
            rows[name] = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    events = [json.loads(line) for lines in rows.values() for line in lines]
    users = Counter(event["user_id"] for event in events if event["user_id"])
    # A user who has sent much, was anonymous before, and shares no device.
    person = next(user for user, _ in users.most_common() if is_linked(events, user))
    devices = {event["device_id"] for event in events if event["user_id"] == person}
    ids = {event["amplitude_id"] for event in events if event["device_id"] in devices}
    for folder, is_left_out in ((whole, False), (without, True)):
        for name, lines in rows.items():
            kept = [
                line
                for line in lines
                if not is_left_out or json.loads(line)["amplitude_id"] not in ids
            ]
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(gzip.compress(b"".join(kept), 6))
    return whole, without, [person, *devices, *map(str, ids)]


def is_linked(events: list[dict], user: str) -> bool:
    devices = {event["device_id"] for event in events if event["user_id"] == user}
    of_devices = [event for event in events if event["device_id"] in devices]
    ids = {event["amplitude_id"] for event in of_devices}
    users = {event["user_id"] for event in events if event["amplitude_id"] in ids}
    of_user = {event["amplitude_id"] for event in events if event["user_id"] == user}
    return (
        users == {user, None}
        and len(ids) > len(of_user)
        and {e["device_id"] for e in events if e["amplitude_id"] in ids} == devices
    )


def differences(one: Warehouse, other: Warehouse) -> dict:
    """For each model that differs, the rows that only one of them has."""
    found = {}
    for model in compared():
        schema = SCHEMAS[model.relative_to(REPOSITORY / "dbt/models").parts[0]]
        of_one, of_other = (
            Counter(
                json.dumps(
                    {k: row[k] for k in sorted(row.keys() - OF_AN_EXPORT - OF_A_FILE)},
                    default=str,
                )
                for row in warehouse.table(f"{schema}.{model.stem}")
            )
            for warehouse in (one, other)
        )
        if model.stem not in OF_THE_LEDGER and of_one != of_other:
            found[model.stem] = (
                sorted((of_one - of_other).elements()),
                sorted((of_other - of_one).elements()),
            )
    return found


def places_of(values: list[str], *folders: Path) -> list[tuple[str, Path]]:
    return [
        (value, path)
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
        for content in [path.read_bytes()]
        for text in [gzip.decompress(content) if path.suffix == ".gz" else content]
        for value in values
        if value.encode() in text
    ]


@pytest.mark.xdist_group("erasure")
def test_an_erased_person_is_nowhere_and_all_else_as_if_they_had_never_been(
    exports, tmp_path
):
    whole, without, ids = exports
    warehouse = open_duckdb(tmp_path / "landing", tmp_path)
    warehouse.settings |= {
        "REPORT": str(tmp_path / "report"),
        "DOCS": str(tmp_path / "docs"),
        "SITE": str(tmp_path / "site"),
        "ERASURE_SALT": SALT,
    }
    land(whole, warehouse.landing, *WINDOW)
    warehouse.run()
    # A page, if one is there, is made again.
    (tmp_path / "report").mkdir()
    (tmp_path / "report/index.html").write_text(", ".join(ids))
    assert {value for value, _ in places_of(ids, tmp_path)} == set(ids)
    run = make(
        "erase",
        f"USER_IDS={ids[0]}",
        "ALSO_LINKED=1",
        "CONFIRM=1",
        environment=warehouse.environment(),
    )
    assert run.returncode == 0, run.stdout
    assert places_of(ids, tmp_path) == []
    assert "</html>" in (tmp_path / "report/index.html").read_text()
    assert not any(value in run.stdout for value in ids)
    other = open_duckdb(tmp_path / "other", tmp_path.with_name("other"))
    other.folder.mkdir()
    land(without, other.landing, *WINDOW)
    other.run()
    found = differences(warehouse, other)
    assert not found, told(found)


@pytest.mark.xdist_group("erasure on snowflake")
def test_an_erased_person_is_nowhere_on_snowflake(exports, tmp_path):
    """In raw, and in the models that say what counts: what is below them differs from
    DuckDB in nothing."""
    whole, without, (person, *others) = exports
    ids = [person, *others]
    day = (f"START={DAYS[1]}", f"END={DAYS[1]}T11")
    landing = tmp_path / "landing"
    land(whole, landing, *day)
    models = ("--select", "+stg_amplitude__events")
    with emulator(landing) as variables:
        variables |= {"ERASURE_SALT": SALT}
        warehouse = open_snowflake(landing, tmp_path, variables)
        warehouse.run(*models)
        finish = (sys.executable, "-m", "snowflake_setup", "erase", "--pause=0.1")
        erase = subprocess.run(
            [sys.executable, "-m", "ingest.erase", "--confirm", *LINKED, "--", *finish],
            cwd=REPOSITORY,
            env=os.environ | warehouse.environment() | {"USER_IDS": ids[0]},
            capture_output=True,
            text=True,
        )
        assert erase.returncode == 0, erase.stdout + erase.stderr
        warehouse.run("--full-refresh", *models)
        warehouse.dbt("test", "--select", "assert_no_erased_file_is_loaded")
        warehouse.dbt("test", "--select", "assert_every_event_of_the_ledger_is_loaded")
        columns = warehouse.rows(
            "select table_schema, table_name, column_name"
            " from analytics.information_schema.columns"
            " where table_schema ilike 'amplitude%'"
        )
        assert columns
        for schema, table, column in columns:
            found = warehouse.rows(
                f'select "{column}" from analytics.{schema}.{table}'
                f' where "{column}"::varchar in ({str(ids)[1:-1]})'
            )
            assert not found, (schema, table, column)
        count = warehouse.value(
            "select count(*) from amplitude_staging.stg_amplitude__events"
        )
    shutil.rmtree(landing)
    land(without, landing, *day)
    other = open_duckdb(landing, tmp_path)
    other.run(*models)
    assert count == other.value(
        "select count(*) from amplitude_staging.stg_amplitude__events"
    )
