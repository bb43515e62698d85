"""Funnels of random cases, and channels of known sources, in one build of each target.

Funnels are compared with every path that the events allow; FUNNEL_CASES=20000 plays
that many cases. Channels are compared with a table written by hand, and with the list
of sources that Google publishes for Google Analytics 4.
"""

import csv
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import funnel_paths
import pytest
from funnel_paths import Event
from histories import Export, Load
from warehouses import Warehouse, emulator, open_duckdb, open_snowflake

pytestmark = pytest.mark.xdist_group("funnels and channels")

CASE_COUNT = int(os.environ.get("FUNNEL_CASES", "1000"))
PROJECTS = [str(number) for number in range(1, 6)]
CHANNELS_PROJECT = "6"
START = datetime(2026, 1, 1)

A, B, C = ({"event_type": event_type} for event_type in "ABC")
A_V = {"event_type": "A", "properties": {"k": "v"}}
A_VW = {"event_type": "A", "properties": {"k": ["v", "w"]}}
B_V = {"event_type": "B", "properties": {"k": "v"}}
A_B = {"event_type": ["A", "B"]}
STEPS: dict[str, list[dict]] = {
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


FIELDS = [
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "referring_domain",
    "click_id_parameter",
]
TABLES = Path(__file__).parent / "channels"
ORGANIC = {
    "search": "Organic Search",
    "social": "Organic Social",
    "video": "Organic Video",
    "shopping": "Organic Shopping",
}
# Web mail, which Google counts as search.
MAIL = {"mail.google.com", "email.seznam.cz", "mail.rambler.ru", "mail.yandex.ru"}
Source = tuple[str, ...]


def table(name: str) -> list[dict[str, str]]:
    with (TABLES / name).open(newline="") as file:
        return list(csv.DictReader(file))


def hand_written() -> dict[Source, str]:
    """The channel of each source in the table."""
    return {
        tuple(row[field] for field in FIELDS): row["channel"]
        for row in table("channels.csv")
    }


def published() -> dict[Source, str]:
    """The channel of each of Google's sources: as a site, as a tag, and paid for."""
    found: dict[Source, str] = {}
    for row in table("ga4_sources.csv"):
        source, channel = row["source"], ORGANIC[row["category"]]
        if source not in MAIL:
            found["", "", "", source, ""] = channel
            found[source, "", "", "", ""] = channel
            found[source, "cpc", "", "", ""] = channel.replace("Organic", "Paid")
    return found


def channel_rows() -> list[dict]:
    """A page view of a user of its own for each source."""
    found = []
    for number, source in enumerate(hand_written() | published()):
        *campaign, site, click_id = source
        properties = dict(zip(FIELDS, campaign, strict=False)) | {
            "referrer": f"https://{site}/" if site else None,
            "referring_domain": site,
            click_id: "an-id",
        }
        event = Event(str(number), "[Amplitude] Page Viewed", (), START)
        (row,) = rows_of([event], number, CHANNELS_PROJECT)
        found.append(row | {"event_properties": properties})
    return found


@pytest.fixture(scope="module")
def cases() -> list[list[Event]]:
    random = Random("funnels")
    return [random_case(random, number) for number in range(CASE_COUNT)]


@pytest.fixture(scope="module")
def landing(cases, tmp_path_factory) -> Path:
    """The cases, landed as one export of each project."""
    landing = tmp_path_factory.mktemp("cases") / "landing"
    rows: dict[str, list] = defaultdict(list)
    rows[CHANNELS_PROJECT] = channel_rows()
    for number, case in enumerate(cases):
        project = PROJECTS[number % len(PROJECTS)]
        rows[project] += rows_of(case, number, project)
    for project, found in rows.items():
        export = Export(project, START, START + timedelta(hours=3), [found])
        objects = [(key, data) for key, data, _ in export.objects()]
        Load(f"of-{project}", objects, [export]).land(landing)
    return landing


@pytest.fixture(scope="module", params=["duckdb", "snowflake"])
def built(request, landing, tmp_path_factory) -> Iterator[Warehouse]:
    """The cases, built on each target."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "duckdb":
        warehouse = open_duckdb(landing, folder)
        build(warehouse)
        yield warehouse
    else:
        with emulator(landing) as variables:
            warehouse = open_snowflake(landing, folder, variables)
            build(warehouse)
            yield warehouse


def build(warehouse: Warehouse) -> None:
    variables = {"funnels": FUNNELS, "reporting_timezone": "UTC"}
    marts = ("+amplitude__funnels", "+amplitude__attribution")
    warehouse.run("--select", *marts, "--vars", json.dumps(variables))


def test_paths_are_the_furthest_that_different_events_allow(built, cases):
    found = defaultdict(dict)
    for project, funnel, day, step, *measures in built.rows(
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


@pytest.mark.parametrize("sources", [hand_written, published])
def test_sources_have_their_channels(built, sources):
    found = {
        tuple(value or "" for value in source): channel
        for channel, *source in built.rows(
            f"select channel, {', '.join(FIELDS)} from amplitude.amplitude__attribution"
            f" where project_id = '{CHANNELS_PROJECT}' and touch = 'last'"
        )
    }
    expected = sources()
    wrong = {
        source: (channel, found.get(source))
        for source, channel in expected.items()
        if found.get(source) != channel
    }
    assert expected
    assert not wrong
