"""Who a user is and what a session is, counted by hand, through the whole pipeline."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from histories import Export, Load
from warehouses import Warehouse, open_duckdb

pytestmark = pytest.mark.xdist_group("people")

START = datetime(2026, 3, 1)

# Amplitude's worked examples, one project each: device, user id and amplitude id of
# each event, in order (amplitude.com/docs/data/sources/instrument-track-unique-users);
# and the number of users it names.
EXAMPLES = {
    "no user id": (
        "A - 1, B - 2, B - 2, C - 3, A - 1, C - 3",
        3,
    ),
    "a user id after anonymous events": ("G - 4, G - 4, G John 4", 1),
    "one user id on two devices": ("K Zack 5, L Zack 5", 1),
    "two user ids on one device": ("R Jane 6, R - 6, R Mary 7, R - 7, R - 7", 2),
    "one user id on two devices, one of them anonymous at first": (
        "Y David 8, Z - 9, Z David 8, Z - 8",
        1,
    ),
    "event ids that restart on a device": (
        "A - 8, A David 8, A David 8, B - 9, B David 8, B David 8",
        1,
    ),
}


def row(project: int, number: int, time: datetime, **fields: Any) -> dict:
    stamp = f"{time:%F %T.%f}"
    return {
        "app": project,
        "uuid": f"{project}-{number}",
        "$insert_id": f"insert-{number}",
        "device_id": "phone",
        "amplitude_id": 1,
        "user_id": None,
        "session_id": 1,
        "event_type": "Seen",
        "event_time": stamp,
        "client_event_time": stamp,
        "server_upload_time": stamp,
    } | fields


def land(landing: Path, name: str, project: int, hour: datetime, *rows: dict) -> None:
    """Land the rows as one export of one hour."""
    export = Export(str(project), hour, hour + timedelta(hours=3), [list(rows)])
    objects = [(key, data) for key, data, _ in export.objects()]
    Load(name, objects, [export]).land(landing)


def example_rows(project: int, events: str) -> list[dict]:
    found = []
    for number, event in enumerate(events.split(", ")):
        device, user, amplitude_id = event.split()
        ids = {
            "device_id": device,
            "user_id": None if user == "-" else user,
            "amplitude_id": int(amplitude_id),
        }
        found.append(row(project, number, START + timedelta(minutes=number), **ids))
    return found


# The first project after those of the examples.
HAND = len(EXAMPLES) + 1


def hand_rows(number: int, time: str, session: int, **fields: Any) -> dict:
    return row(HAND, number, datetime.fromisoformat(f"2026-{time}"), **fields) | {
        "session_id": session
    }


VIEW = "[Amplitude] Page Viewed"
FIRST_LOAD = [
    # Ann comes anonymously by a newsletter, stays past midnight and signs in there.
    hand_rows(
        1,
        "03-01 23:58:00",
        1,
        event_type=VIEW,
        event_properties={
            "[Amplitude] Page Path": "/",
            "[Amplitude] Page Domain": "shop.example",
            "referrer": "https://mail.example/",
            "referring_domain": "mail.example",
            "utm_source": "newsletter",
        },
    ),
    hand_rows(2, "03-02 00:01:30", 1, amplitude_id=2, user_id="ann"),
    # Bob has a session of the same number.
    hand_rows(
        3, "03-02 08:00:00", 1, amplitude_id=3, user_id="bob", device_id="tablet"
    ),
    # A server says that Ann has paid, in no session.
    hand_rows(4, "03-03 00:00:00", -1, amplitude_id=2, user_id="ann", device_id=None),
    # Ann's phone sends this twice.
    hand_rows(5, "03-05 10:00:00", 5, amplitude_id=2, user_id="ann"),
    hand_rows(6, "03-05 10:00:00", 5, amplitude_id=2, user_id="ann")
    | {"$insert_id": "insert-5"},
]
SECOND_LOAD = [
    # What the phone did before all that, it sends a month later.
    hand_rows(7, "02-27 12:00:00", 9, event_type="Opened")
    | {"server_upload_time": "2026-04-01 00:00:00.000000"},
    # And one event of the first session, whose page is the last.
    hand_rows(
        8,
        "03-02 00:02:00",
        1,
        amplitude_id=2,
        user_id="ann",
        event_type=VIEW,
        event_properties={"[Amplitude] Page Path": "/paid"},
    )
    | {"server_upload_time": "2026-04-01 00:00:01.000000"},
    # The tablet was used anonymously before Bob signed in on it.
    hand_rows(9, "03-02 07:00:00", 7, amplitude_id=4, device_id="tablet")
    | {"server_upload_time": "2026-04-01 00:00:02.000000"},
]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Warehouse:
    """The examples and the first load, then the second, each built."""
    folder = tmp_path_factory.mktemp("people")
    warehouse = open_duckdb(folder / "landing", folder)
    landing = warehouse.landing
    for project, (events, _) in enumerate(EXAMPLES.values(), 1):
        land(landing, "first", project, START, *example_rows(project, events))
    land(landing, "first", HAND, START, *FIRST_LOAD)
    warehouse.run()
    land(landing, "second", HAND, datetime(2026, 4, 1), *SECOND_LOAD)
    warehouse.run()
    return warehouse


@pytest.mark.parametrize("project", range(1, HAND), ids=EXAMPLES.keys())
def test_amplitudes_worked_examples(built, project):
    expected = list(EXAMPLES.values())[project - 1][1]
    for table in ("amplitude__users", "amplitude__events"):
        query = f"select count(distinct user_id) from amplitude.{table}"
        assert built.value(f"{query} where project_id = '{project}'") == expected


def test_sessions_counted_by_hand(built):
    sessions = built.rows(
        "select user_id, amplitude_session_id, session_number, event_count,"
        " page_view_count, started_date, duration_seconds, entry_page_path,"
        " exit_page_path, referrer, utm_source, is_bounced"
        f" from amplitude.amplitude__sessions where project_id = '{HAND}'"
        " order by user_id, session_number"
    )
    mail = "https://mail.example/"
    assert sessions == [
        ("2", 9, 1, 1, 0, "2026-02-27", 0, None, None, None, None, False),
        ("2", 1, 2, 3, 2, "2026-03-01", 240, "/", "/paid", mail, "newsletter", False),
        ("2", 5, 3, 1, 0, "2026-03-05", 0, None, None, None, None, False),
        ("3", 7, 1, 1, 0, "2026-03-02", 0, None, None, None, None, False),
        ("3", 1, 2, 1, 0, "2026-03-02", 0, None, None, None, None, False),
    ]


def test_users_counted_by_hand(built):
    users = built.rows(
        "select user_id, amplitude_user_id, event_count, session_count,"
        " active_day_count, first_seen_date, first_event_type, last_seen_date,"
        " first_touch_utm_source"
        f" from amplitude.amplitude__users where project_id = '{HAND}' order by 1"
    )
    assert users == [
        ("2", "ann", 6, 3, 5, "2026-02-27", "Opened", "2026-03-05", "newsletter"),
        ("3", "bob", 2, 2, 1, "2026-03-02", "Seen", "2026-03-02", None),
    ]


def test_days_counted_by_hand(built):
    days = built.rows(
        "select event_date, event_type, event_count, user_count, new_user_count,"
        " first_day_user_count, session_count"
        " from amplitude.amplitude__daily_performance"
        f" where project_id = '{HAND}' order by 1, 2"
    )
    assert days == [
        ("2026-02-27", "Opened", 1, 1, 1, 1, 1),
        # Ann was new before this day, and Bob's tablet is his.
        ("2026-03-01", VIEW, 1, 1, 0, 0, 1),
        ("2026-03-02", "Seen", 3, 2, 1, 1, 3),
        ("2026-03-02", VIEW, 1, 1, 0, 0, 1),
        ("2026-03-03", "Seen", 1, 1, 0, 0, 0),
        ("2026-03-05", "Seen", 1, 1, 0, 0, 1),
    ]


def test_events_are_read_again_for_the_days_that_changed_only(built):
    """By dates in the SQL, which let Snowflake pass over the partitions of others."""
    compiled = built.folder / "dbt_duckdb/compiled/amplitude_warehouse/models"
    for model in ("session_days", "session_hours"):
        path = compiled / f"intermediate/amplitude/int_amplitude__{model}.sql"
        days = "('2026-02-27'::date, '2026-03-02'::date)"
        assert f"occurred_date in {days}" in path.read_text()
