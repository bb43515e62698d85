"""Which days are complete, what is mature, and where the calendar begins: counted by
hand for a few projects, through the whole pipeline."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import reference
from histories import Export, Row, write
from test_increments import MODELS, contents, differences
from warehouses import Warehouse, emulator, open_duckdb, open_snowflake, told

pytestmark = pytest.mark.xdist_group("calendar")

# Monday, March 2, to Wednesday, March 11. In the first week one user is new each day,
# and comes every day from then on.
DAYS = [datetime(2026, 3, day) for day in range(2, 12)]
NEWCOMERS = 7
HOUR = timedelta(hours=1)

WHOLE, WITH_A_GAP, TOO_LARGE, ACCEPTED, WRONG_CLOCK = "1", "2", "3", "4", "5"
GAP = {datetime(2026, 3, 4, hour) for hour in range(5, 11)}
LARGE_HOUR = datetime(2026, 3, 4, 5)
# What a device with a wrong clock may send.
ODD_DAYS = ["0001-01-01", "1601-01-01", "1970-01-01", "1999-12-31", "2024-02-29"]

MARTS = [
    "amplitude__periods",
    "amplitude__load_audit",
    "amplitude__active_users",
    "amplitude__engagement",
    "amplitude__lifecycle",
    "amplitude__retention",
    "amplitude__stickiness",
    "amplitude__daily_revenue",
    "amplitude__lifetime_values",
    "amplitude__funnels",
    "amplitude__daily_performance",
]
CONSERVATION_TESTS = [
    "assert_every_user_is_in_one_cohort",
    "assert_every_active_user_is_in_one_state",
    "assert_every_user_is_new_once",
    "assert_every_event_is_counted_on_its_day",
    "assert_every_upload_hour_is_accounted_for",
]


def events(project: str) -> Iterator[Row]:
    for number in range(NEWCOMERS):
        for day in DAYS[number:]:
            moment = day + timedelta(hours=12, minutes=number)
            yield event(project, f"user-{number}", str(moment), moment)
    if project == WRONG_CLOCK:
        for number, odd in enumerate(ODD_DAYS):
            uploaded = DAYS[3] + timedelta(hours=1)
            for time in (f"{odd} 10:00:00", f"{odd} 23:00:00"):
                yield event(project, f"odd-{number}", time, uploaded)


def event(project: str, user: str, time: str, uploaded: datetime) -> Row:
    number = user.split("-")[1]
    return {
        "app": int(project),
        "uuid": f"{project}-{user}-{time}",
        "device_id": user,
        "user_id": user,
        "amplitude_id": int(number) + (100 if user.startswith("odd") else 0),
        "session_id": -1,
        "event_type": "Product Viewed",
        "event_time": time,
        "client_event_time": time,
        "server_upload_time": str(uploaded),
        "event_properties": {"$revenue": 1},
    }


def land(landing: Path) -> None:
    for project in (WHOLE, WITH_A_GAP, TOO_LARGE, ACCEPTED, WRONG_CLOCK):
        rows: dict[datetime, list[Row]] = {}
        for row in events(project):
            uploaded = datetime.fromisoformat(row["server_upload_time"])
            rows.setdefault(uploaded.replace(minute=0), []).append(row)
        for day in DAYS:
            lines = []
            for hour in (day + number * HOUR for number in range(24)):
                if project == WITH_A_GAP and hour in GAP:
                    continue
                files = [rows[hour]] if hour in rows else []
                export = Export(project, hour, hour + 3 * HOUR, files)
                for key, data, _ in export.objects():
                    write(landing / key, data)
                line = export.ledger_line()
                if project in (TOO_LARGE, ACCEPTED) and hour == LARGE_HOUR:
                    line["status"] = "too_large"
                lines.append(json.dumps(line) + "\n")
            path = landing / f"ledger/{project}/{day:%Y-%m-%d}/run.json"
            write(path, "".join(lines).encode())


VARIABLES = f'{{too_large_hours_accepted: ["{ACCEPTED}/{LARGE_HOUR}"]}}'


@pytest.fixture(scope="module")
def landing(tmp_path_factory) -> Path:
    landing = tmp_path_factory.mktemp("calendar") / "landing"
    land(landing)
    return landing


@pytest.fixture(scope="module")
def on_duckdb(landing, tmp_path_factory) -> Warehouse:
    warehouse = open_duckdb(landing, tmp_path_factory.mktemp("calendar_duckdb"))
    warehouse.run("--vars", VARIABLES)
    return warehouse


def by(rows: list[tuple]) -> dict[tuple, Any]:
    """The last column by the others."""
    return {row[:-1]: row[-1] for row in rows}


def march(*days: int) -> set[str]:
    return {f"2026-03-{day:02}" for day in days}


# For each project the days that are not complete, of those that are loaded.
INCOMPLETE = {
    WHOLE: set(),
    WITH_A_GAP: march(4),
    TOO_LARGE: march(4),
    ACCEPTED: set(),
    WRONG_CLOCK: set(),
}


@pytest.mark.parametrize("project", INCOMPLETE)
def test_a_day_is_complete_if_every_upload_hour_is_settled(on_duckdb, project):
    """And so is a window of days, if all of its days are."""
    incomplete = INCOMPLETE[project]

    def is_whole(start: str, day_count: int) -> bool:
        """Whether all of so many days are complete."""
        first = datetime.fromisoformat(start)
        days = {first + timedelta(days=number) for number in range(day_count)}
        return days <= set(DAYS) and not incomplete & {f"{day:%F}" for day in days}

    def asked(columns: str, mart: str, condition: str = "true") -> list[tuple]:
        rows = on_duckdb.rows(
            f"select {columns} from amplitude.amplitude__{mart}"
            f" where project_id = '{project}' and {condition}"
        )
        assert rows
        return rows

    real = "not is_before_calendar"
    lengths = {"day": 1, "week": 7, "month": 31}
    for period, start, is_complete in asked(
        "period, period_started_date, is_complete", "periods", real
    ):
        assert is_complete == is_whole(start, lengths[period]), (period, start)
    for day, has_week, has_month in asked(
        "active_date, has_whole_week, has_whole_month", "active_users", real
    ):
        start = datetime.fromisoformat(day) - timedelta(days=6)
        assert has_week == is_whole(f"{start:%F}", 7), day
        assert not has_month
    for basis, cohort, number, is_mature in asked(
        "basis, cohort_date, period_number, is_mature",
        "retention",
        f"period = 'day' and {real}",
    ):
        # The 24 hours of a user who came at noon end on the day after.
        day_count = number + (2 if basis == "rolling" else 1)
        assert is_mature == is_whole(cohort, day_count), (basis, cohort, number)
    for cohort, number, is_mature in asked(
        "cohort_date, day_number, is_mature", "lifetime_values", real
    ):
        assert is_mature == is_whole(cohort, number + 2), (cohort, number)
    for day, is_mature in asked(
        "entered_date, is_mature", "funnels", "funnel = 'purchase'"
    ):
        assert is_mature == is_whole(day, 2), day


def test_a_missing_hour_is_reported(on_duckdb):
    """The audit has a row for each, and a test warns without failing the build."""
    missing = on_duckdb.rows(
        "select project_id, upload_hour_id, upload_hour_started_at, landed_row_count"
        " from amplitude.amplitude__load_audit where status = 'missing'"
    )
    assert sorted(missing) == [
        (WITH_A_GAP, f"{WITH_A_GAP}/{hour}", str(hour), 0) for hour in sorted(GAP)
    ]
    unsettled = on_duckdb.rows(
        "select project_id, upload_hour_started_at from amplitude.amplitude__load_audit"
        " where not is_settled and status != 'missing'"
    )
    assert unsettled == [(TOO_LARGE, str(LARGE_HOUR))]
    tests = ["assert_no_upload_hour_is_missing", *CONSERVATION_TESTS]
    build = on_duckdb.build("--vars", VARIABLES, "--select", *tests)
    assert "WARN 6" in build


def test_every_mart_equals_the_reference(on_duckdb):
    accepted = [f"{ACCEPTED}/{LARGE_HOUR}"]
    found = reference.differences(on_duckdb, {"too_large_hours_accepted": accepted})
    assert not found, told(found)


def test_an_impossible_clock_changes_no_other_row(on_duckdb):
    """Of the days of the calendar, which are as many as were loaded."""
    columns = {
        "active_users": "active_date, daily_active_user_count,"
        " weekly_active_user_count, monthly_active_user_count, new_user_count,"
        " has_whole_week",
        "engagement": "period, period_started_date, event_type, active_user_count,"
        " user_count, event_count, average_day_count",
        "lifecycle": "period, period_started_date, new_user_count,"
        " current_user_count, resurrected_user_count, dormant_user_count",
        "retention": "basis, period, cohort_date, period_number, cohort_user_count,"
        " returned_user_count, returned_on_or_after_user_count, is_mature",
        "daily_revenue": "revenue_date, revenue, paying_user_count",
        "lifetime_values": "cohort_date, day_number, user_count, revenue, is_mature",
        "periods": "period, period_started_date, period_number, is_complete",
    }
    for mart, names in columns.items():
        right, found = (
            on_duckdb.rows(
                f"select {names} from amplitude.amplitude__{mart}"
                f" where project_id = '{project}' and not is_before_calendar"
            )
            for project in (WHOLE, WRONG_CLOCK)
        )
        assert right
        assert sorted(found) == sorted(right), mart
    days = on_duckdb.value(
        "select count(*) from amplitude.amplitude__active_users"
        f" where project_id = '{WRONG_CLOCK}' and not is_before_calendar"
    )
    assert days == len(DAYS)


def test_what_is_before_the_calendar_is_in_one_row(on_duckdb):
    """Of each kind of period; no other project has one."""
    count = len(ODD_DAYS)

    def before(columns: str, mart: str) -> list[tuple]:
        return on_duckdb.rows(
            f"select project_id, {columns} from amplitude.amplitude__{mart}"
            " where is_before_calendar order by 1, 2, 3"
        )

    dates = [("day", "2026-03-01"), ("month", "2026-02-28"), ("week", "2026-03-01")]
    assert before(
        "period, period_started_date, period_number, is_complete", "periods"
    ) == [(WRONG_CLOCK, *date, -1, False) for date in dates]
    assert before(
        "active_date, daily_active_user_count, monthly_active_user_count,"
        " new_user_count, has_whole_week",
        "active_users",
    ) == [(WRONG_CLOCK, "2026-03-01", count, None, count, False)]
    assert before(
        "period, period_started_date, new_user_count, current_user_count,"
        " dormant_user_count",
        "lifecycle",
    ) == [(WRONG_CLOCK, *date, count, 0, 0) for date in dates]
    assert before(
        "period, basis, period_number, cohort_user_count, returned_user_count,"
        " is_mature",
        "retention",
    ) == [
        (WRONG_CLOCK, period, basis, 0, count, count, False)
        for period, _ in dates
        for basis in ("calendar", "rolling")
    ]
    assert before(
        "day_number, cohort_user_count, revenue, is_mature", "lifetime_values"
    ) == [(WRONG_CLOCK, 0, count, 2 * count, False)]
    assert before("revenue, paying_user_count", "daily_revenue") == [
        (WRONG_CLOCK, 2 * count, count)
    ]
    assert before("period, event_count, average_day_count", "engagement") == [
        (WRONG_CLOCK, period, 2 * count, 1) for period, _ in dates
    ]
    # What is counted by the days that events bear keeps them.
    days = on_duckdb.rows(
        "select event_date from amplitude.amplitude__daily_performance"
        f" where project_id = '{WRONG_CLOCK}' and event_date < '2026-03-02'"
    )
    assert sorted(day for (day,) in days) == ODD_DAYS


def test_the_calendar_starts_where_the_variable_says(landing, tmp_path):
    """In the middle of a week, after the first upload; and users are followed for a few
    days only."""
    warehouse = open_duckdb(landing, tmp_path)
    variables = {
        "calendar_starts_on": "2026-03-05",
        "retention_days": 3,
        "lifetime_value_days": 2,
    }
    settings = ["--vars", json.dumps(variables)]
    warehouse.run(*settings)
    warehouse.test(*settings, "--select", *CONSERVATION_TESTS, *MARTS)
    found = reference.differences(warehouse, variables)
    assert not found, told(found)

    def asked(columns: str, mart: str, order: str) -> list[tuple]:
        return warehouse.rows(
            f"select {columns} from amplitude.amplitude__{mart}"
            f" where project_id = '{WHOLE}' order by {order}"
        )

    # The week that the calendar starts in is whole; WAU look back to before it.
    assert asked(
        "period, period_started_date, period_number, is_complete", "periods", "1, 2"
    ) == [
        ("day", "2026-03-04", -1, False),
        *(("day", f"2026-03-{day:02}", day - 4, True) for day in range(5, 12)),
        ("month", "2026-03-01", 1, False),
        ("week", "2026-03-02", 1, True),
        ("week", "2026-03-09", 2, False),
    ]
    assert asked(
        "active_date, daily_active_user_count, weekly_active_user_count,"
        " new_user_count, has_whole_week",
        "active_users",
        "1",
    ) == [
        ("2026-03-04", 3, None, 3, False),
        ("2026-03-05", 4, 4, 1, False),
        ("2026-03-06", 5, 5, 1, False),
        ("2026-03-07", 6, 6, 1, False),
        ("2026-03-08", 7, 7, 1, True),
        ("2026-03-09", 7, 7, 0, True),
        ("2026-03-10", 7, 7, 0, True),
        ("2026-03-11", 7, 7, 0, True),
    ]
    cells = by(
        warehouse.rows(
            "select basis, cohort_date, max(period_number)"
            " from amplitude.amplitude__retention"
            f" where project_id = '{WHOLE}' and period = 'day' group by 1, 2"
        )
    )
    last = {"2026-03-04": 0, **{f"2026-03-{day:02}": 3 for day in range(5, 9)}}
    assert cells == {
        (basis, day): number
        for day, number in last.items()
        for basis in ("calendar", "rolling")
    }
    values = warehouse.rows(
        "select cohort_date, max(day_number), max(revenue)"
        " from amplitude.amplitude__lifetime_values"
        f" where project_id = '{WHOLE}' group by 1 order by 1"
    )
    assert values == [
        ("2026-03-04", 0, 3),
        *((f"2026-03-{day:02}", 2, 3) for day in range(5, 9)),
    ]


def test_marts_are_the_same_on_snowflake(landing, on_duckdb, tmp_path):
    """On the emulator."""
    with emulator(landing) as variables:
        warehouse = open_snowflake(landing, tmp_path, variables)
        warehouse.run("--vars", VARIABLES, "--select", *(f"+{mart}" for mart in MARTS))
        models = [path for path in MODELS if path.stem in MARTS]
        assert len(models) == len(MARTS)
        one, other = (
            {model.stem: contents(each, model) for model in models}
            for each in (warehouse, on_duckdb)
        )
    found = differences(one, other)
    assert not found, told(found)
