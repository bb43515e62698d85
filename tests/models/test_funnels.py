"""Funnels of small random cases, against every path that their events allow.

FUNNEL_CASES=20000 plays that many cases.
"""

import json
import os
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import funnel_paths
import pytest
from funnel_paths import Event
from histories import Export, Load
from warehouses import Warehouse, open_duckdb, open_snowflake

from sandbox.snowflake import emulator

pytestmark = pytest.mark.xdist_group("funnels")

CASE_COUNT = int(os.environ.get("FUNNEL_CASES", "1000"))
PROJECTS = [str(number) for number in range(1, 6)]
START = datetime(2026, 1, 1)

A, B, C = ({"event_type": event_type} for event_type in "ABC")
A_V = {"event_type": "A", "properties": {"k": "v"}}
A_VW = {"event_type": "A", "properties": {"k": ["v", "w"]}}
B_V = {"event_type": "B", "properties": {"k": "v"}}
A_B = {"event_type": ["A", "B"]}
STEPS = {
    "abc": [A, B, C],
    "aba": [A, B, A],
    "aa_v": [A, A_V],
    "a_va": [A_V, A],
    "aaa": [A, A, A],
    "lists": [A_B, A, B],
    "chain": [A_V, A_B, B_V],
    "four": [A, A_B, B_V, A],
    "nested": [A, A_VW, A_V, C],
}
SECONDS = {"this": 5, "any": 4}
FUNNELS = {
    f"{name}_{order}": {
        "order": order,
        "window_hours": (SECONDS[order] + 0.5) / 3600,
        "steps": [step | {"name": str(at)} for at, step in enumerate(steps)],
    }
    for name, steps in STEPS.items()
    for order in SECONDS
}


def random_case(random: Random, number: int) -> list[Event]:
    """A few events of one or two users, within seconds of a midnight of their own."""
    midnight = START + timedelta(days=2 * (number // len(PROJECTS)) + 1)
    span = random.choice([1, 4, 9])
    return [
        Event(
            user=f"{number}-{random.choice('xxy')}",
            event_type=random.choice("AAABBC"),
            properties=random.choice([(), (("k", "v"),), (("k", "w"),)]),
            time=midnight
            + timedelta(seconds=random.randint(-(span // 2), span // 2))
            + timedelta(milliseconds=random.randrange(1000)),
        )
        for _ in range(random.randint(1, 7))
    ]


def rows_of(case: list[Event], number: int, project: str) -> list[dict]:
    return [
        {
            "app": int(project),
            "uuid": f"{number}-{at}",
            "device_id": event.user,
            "session_id": 1,
            "event_type": event.event_type,
            "event_properties": dict(event.properties),
            "event_time": f"{event.time:%F %T.%f}",
            "client_event_time": f"{event.time:%F %T.%f}",
            "server_upload_time": f"{START:%F %T.%f}",
        }
        for at, event in enumerate(case)
    ]


@pytest.fixture(scope="module")
def cases() -> list[list[Event]]:
    random = Random("funnels")
    return [random_case(random, number) for number in range(CASE_COUNT)]


def land(landing: Path, cases: list[list[Event]]) -> None:
    """Land the cases as an export of each project."""
    rows = defaultdict(list)
    for number, case in enumerate(cases):
        project = PROJECTS[number % len(PROJECTS)]
        rows[project] += rows_of(case, number, project)
    for project, found in rows.items():
        export = Export(project, START, START + timedelta(hours=3), [found])
        objects = [(key, data) for key, data, _ in export.objects()]
        Load("all", objects, [export]).land(landing)


def build(warehouse: Warehouse) -> None:
    variables = {"funnels": FUNNELS, "reporting_timezone": "UTC"}
    select = ("--select", "+amplitude__funnels")
    warehouse.run(*select, "--vars", json.dumps(variables))


def assert_as_tried(warehouse: Warehouse, cases: list[list[Event]]) -> None:
    """The mart holds what trying every path finds, for every project and funnel."""
    found = defaultdict(dict)
    for project, funnel, day, step, *measures in warehouse.rows(
        "select project_id, funnel, entered_date, step_number, user_count,"
        " median_seconds, average_seconds, median_total_seconds"
        " from amplitude.amplitude__funnels"
    ):
        found[project, funnel][day, step] = tuple(measures)
    for project in PROJECTS:
        own = [
            event
            for number, case in enumerate(cases)
            if PROJECTS[number % len(PROJECTS)] == project
            for event in case
        ]
        for name, funnel in FUNNELS.items():
            expected = {
                (str(day), step): measures
                for (day, step), measures in funnel_paths.cells(own, funnel).items()
            }
            assert found[project, name] == pytest.approx(expected), (project, name)


def test_paths_are_the_furthest_that_different_events_allow(cases, tmp_path):
    land(tmp_path / "landing", cases)
    warehouse = open_duckdb(tmp_path / "landing", tmp_path)
    build(warehouse)
    assert_as_tried(warehouse, cases)


def test_paths_are_the_same_on_snowflake(cases, tmp_path):
    land(tmp_path / "landing", cases[:200])
    with emulator(tmp_path / "landing") as variables:
        warehouse = open_snowflake(tmp_path / "landing", tmp_path, variables)
        build(warehouse)
        assert_as_tried(warehouse, cases[:200])
