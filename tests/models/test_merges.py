"""Merges that Amplitude has made: per project, along chains of any length."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from histories import Export, Load
from warehouses import Warehouse, emulator, open_duckdb, open_snowflake

from sandbox.snowflake import run

pytestmark = pytest.mark.xdist_group("merges")

START = datetime(2026, 3, 1)
# The ids that each project has seen, all on devices of their own.
IDS = {"61": range(1, 42), "62": range(1, 42), "63": range(1, 6)}
# Project, merged id, id it was merged into, and the day of it. A chain of 41 ids that
# another project has too; a circle with one id that leads into it; an id merged three
# times, once at a time that is not known.
MERGES = [
    *[("61", number, number + 1, 1) for number in range(1, 41)],
    *[("63", 1, 2, 1), ("63", 2, 3, 2), ("63", 3, 2, 3)],
    *[("63", 4, 2, 1), ("63", 4, 5, 2), ("63", 4, 3, None)],
]
# With the tests that look at nothing else.
SELECTED = (
    *("--select", "+stg_amplitude__identities"),
    *("--indirect-selection", "cautious"),
)
MERGED = "amplitude_staging.stg_amplitude__merges"


def land(landing: Path) -> None:
    for project, ids in IDS.items():
        found = [
            {
                "app": int(project),
                "uuid": f"{project}-{number}",
                "device_id": f"device-{number}",
                "amplitude_id": number,
                "event_type": "Seen",
                "event_time": f"{START:%F %T.%f}",
                "server_upload_time": f"{START:%F %T.%f}",
            }
            for number in ids
        ]
        export = Export(project, START, START + timedelta(hours=4), [found])
        objects = [(key, data) for key, data, _ in export.objects()]
        Load("load", objects, [export]).land(landing)


def statements(table: str, with_project: bool) -> list[str]:
    """The table of merges, as a company loads it."""
    names = "amplitude_id, merged_amplitude_id, merge_event_time, merge_server_time"
    types = "amplitude_id bigint, merged_amplitude_id bigint,"
    types += " merge_event_time timestamp, merge_server_time timestamp"
    rows = [
        f"({into}, {merged}, "
        + (f"'2026-02-{day:02}', '2026-02-{day:02}'" if day else "null, null")
        + (f", {project})" if with_project else ")")
        for project, merged, into, day in MERGES
        if with_project or project == "61"
    ]
    if with_project:
        names, types = f"{names}, project_id", f"{types}, project_id bigint"
    return [
        f"create or replace table {table} ({types})",
        f"insert into {table} ({names}) values {', '.join(rows)}",
    ]


@pytest.fixture(scope="module", params=["duckdb", "snowflake"])
def warehouse(request, tmp_path_factory) -> Iterator[Warehouse]:
    """With a table of merges that does not name their project."""
    folder = tmp_path_factory.mktemp("merges")
    land(folder / "landing")
    if request.param == "duckdb":
        yield with_merges(open_duckdb(folder / "landing", folder), with_project=False)
        return
    with emulator(folder / "landing") as variables:
        opened = open_snowflake(folder / "landing", folder, variables)
        yield with_merges(opened, with_project=False)


def with_merges(warehouse: Warehouse, with_project: bool) -> Warehouse:
    if warehouse.target == "snowflake":
        made = statements("raw.amplitude.merges", with_project)
        run(warehouse.settings, *made)
        return warehouse
    with duckdb.connect(warehouse.settings["WAREHOUSE"]) as connection:
        connection.execute("create schema if not exists amplitude")
        for statement in statements("amplitude.merges", with_project):
            connection.execute(statement)
    return warehouse


def test_merges_of_several_projects(warehouse):
    arguments = ("--vars", "{use_merges: true}", *SELECTED)
    refused = warehouse.try_build(*arguments)
    assert refused.returncode != 0
    assert "which of the projects 61, 62, 63 its merges belong to" in refused.stdout
    assert "add a column project_id" in refused.stdout
    with_merges(warehouse, with_project=True)
    printed = warehouse.build(*arguments)
    assert "Warning in test assert_no_merges_run_in_a_circle" in printed
    assert "Got 3 results" in printed
    merged = warehouse.rows(
        f"select project_id, amplitude_id, user_id, is_circular from {MERGED}"
    )
    assert sorted(merged, key=lambda row: (row[0], int(row[1]))) == [
        *[("61", str(number), "41", False) for number in range(1, 41)],
        *[("63", str(number), str(number), True) for number in (1, 2, 3)],
        ("63", "4", "5", False),
    ]
    identities = warehouse.rows(
        "select project_id, count(*), min(user_id), max(user_id)"
        " from amplitude_staging.stg_amplitude__identities where is_current"
        " group by 1 order by 1"
    )
    assert identities == [("61", 40, "41", "41"), ("63", 1, "5", "5")]


def test_one_project_needs_no_name_of_it(warehouse):
    with_merges(warehouse, with_project=False)
    warehouse.run("--vars", "{use_merges: true, projects: ['61']}", *SELECTED)
    merged = "select count(*), min(project_id), max(project_id)"
    assert warehouse.rows(f"{merged} from {MERGED} where user_id = '41'") == [
        (40, "61", "61")
    ]
