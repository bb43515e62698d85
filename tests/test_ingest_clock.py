"""The ingest where clocks are wrong: the server's time decides what is over.

That this machine's clock is ahead is played by a server whose clock is behind it.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from test_ingest import (
    DAY,
    assert_day_is_whole,
    ledger,
    window_limits,
)

from ingest.clock import Clock, WrongClock
from sandbox.amplitude.export_api import ExportApi

LONG_AGO = datetime(2026, 1, 18, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def http_date(time: datetime) -> str:
    return format_datetime(time, usegmt=True)


@pytest.fixture(autouse=True)
def within_one_hour() -> None:
    """A test that begins at the end of an hour would name hours of two."""
    left = 3600 - time.time() % 3600
    if left < 45:
        time.sleep(left)


def hour_ago(hours: int) -> str:
    return f"{datetime.now(UTC) - hours * HOUR:%Y-%m-%dT%H}"


def rewrite_ledger(landing: Path, change: Callable[[dict], None]) -> None:
    for path in landing.glob("ledger/*/*/*.json"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            change(line)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("side", ["ahead of", "behind"])
def test_a_clock_that_is_days_off_stops_the_run_before_it_records(
    ingest, landing, api: ExportApi, side
):
    days = timedelta(days=10 if side == "behind" else -10)
    api.headers["Date"] = http_date(datetime.now(UTC) + days)
    run = ingest(*DAY)
    assert run.returncode == 2, run.stderr
    assert "this machine's clock is 10 days" in run.stderr
    assert f" {side} Amplitude's" in run.stderr
    assert "set it right" in run.stderr
    assert not ledger(landing)
    api.headers.clear()
    assert ingest(*DAY).returncode == 0
    assert_day_is_whole(landing)


@pytest.mark.parametrize("status", ["504", "too_large"])
def test_a_wrong_clock_is_noticed_in_refusals_too(ingest, landing, api, status):
    api.faults.add(status, times=None)
    api.headers["Date"] = http_date(LONG_AGO)
    assert ingest(*DAY).returncode == 2
    assert not window_limits(landing)


def test_a_clock_that_is_minutes_off_is_reported_and_corrected(ingest, landing, api):
    server = datetime.now(UTC) - timedelta(minutes=20)
    api.headers["Date"] = http_date(server)
    run = ingest(*DAY)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("this machine's clock is 20 min") == 1
    assert_day_is_whole(landing)
    for line in ledger(landing).values():
        assert line["clock"] == "server"
        exported_at = datetime.fromisoformat(line["exported_at"])
        assert abs(exported_at - server) < timedelta(seconds=10)


def test_an_hour_that_is_not_over_by_the_servers_clock_is_not_recorded(
    ingest, landing, api
):
    while datetime.now(UTC).minute == 59:  # the run must not pass the full hour
        time.sleep(1)
    now = datetime.now(UTC)
    server = now.replace(minute=0, second=0, microsecond=0) - timedelta(seconds=5)
    api.headers["Date"] = http_date(server)
    run = ingest("--start", hour_ago(5), "--end", hour_ago(3))
    assert run.returncode == 0, run.stderr
    assert f"{hour_ago(3)}: not complete at Amplitude yet" in run.stderr
    assert "3 hours (2 empty, 1 not over)" in run.stderr
    assert ledger(landing).keys() == {hour_ago(5), hour_ago(4)}
    # The same for an hour that is refused for its size.
    api.faults.add("too_large", times=None)
    run = ingest("--start", hour_ago(3), "--end", hour_ago(3))
    assert run.returncode == 0, run.stderr
    assert hour_ago(3) not in ledger(landing)


def test_an_empty_hour_is_settled_by_the_servers_clock(ingest, landing, api):
    """Half a minute before it is old enough, whatever this machine's clock says."""
    hour = hour_ago(48)
    settled = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    api.headers["Date"] = http_date(settled - timedelta(seconds=30))
    for _ in range(2):
        assert ingest("--start", hour, "--end", hour).returncode == 0
    assert not ledger(landing)[hour]["is_settled"]
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    "date",
    [None, "", "yesterday", "Thu, 99 Nov 2026 25:00:00 GMT", "0" * 5000],
    ids=["none", "empty", "text", "absurd", "long"],
)
def test_without_a_date_nothing_empty_is_settled(ingest, landing, api, date):
    api.headers["Date"] = date
    run = ingest(*DAY)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("no readable Date header") == 1
    assert_day_is_whole(landing)
    for line in ledger(landing).values():
        assert line["clock"] == "machine"
        assert line["is_settled"] == (line["status"] == "landed")
    # An answer that tells the time settles them, and counts from then on.
    del api.headers["Date"]
    assert ingest(*DAY).returncode == 0
    assert len(api.requests) == 2
    assert ingest(*DAY).returncode == 0
    assert len(api.requests) == 2
    assert_day_is_whole(landing)


def test_a_cached_answer_speaks_of_the_time_it_was_made(ingest, landing, api):
    """The hours that ended since then are asked for again, and stay open."""
    age = 2 * HOUR
    made_at = datetime.now(UTC) - age
    api.headers.update({"Date": http_date(made_at), "Age": str(age.seconds)})
    run = ingest("--start", hour_ago(6), "--end", hour_ago(3))
    assert run.returncode == 1, run.stderr
    assert "clock" not in run.stderr
    for hours in (3, 4):
        hour = f"{hour_ago(hours)} stays open: the answer comes from a cache"
        assert f"{hour} and is 2 h old" in run.stderr
    assert ledger(landing).keys() == {hour_ago(6), hour_ago(5)}
    # What is not a number is not an age.
    api.headers.update({"Date": http_date(datetime.now(UTC)), "Age": "old"})
    assert ingest("--start", hour_ago(6), "--end", hour_ago(3)).returncode == 0
    assert len(ledger(landing)) == 4


def test_a_ledger_from_a_clock_that_was_ahead_heals(ingest, landing, api):
    """Version 0.1.0, ten days ahead: all hours settled, those to come as empty."""
    assert ingest(*DAY).returncode == 0
    whole = ledger(landing)

    def ahead(line: dict) -> None:
        if line["hour"] >= "2026-01-14T12":
            line |= {"files": [], "status": "empty", "event_count": 0}
            line |= {"file_count": 0, "byte_count": 0}
        later = datetime.now(UTC) + timedelta(days=10)
        line |= {"is_settled": True, "exported_at": later.isoformat()}
        del line["clock"]

    rewrite_ledger(landing, ahead)
    shown = ingest("--ledger", *DAY[:2], "--end", "2026-01-14")
    assert "# 0 landed, . 0 empty, ! 0 too large, ? 24 missing" in shown.stdout
    run = ingest(*DAY)
    assert run.returncode == 0, run.stderr
    assert "24 hours (2 empty, 22 landed)" in run.stderr
    assert ingest(*DAY).returncode == 0
    assert len(api.requests) == 2
    # Also when the time has come that the old lines speak of.
    rewrite_ledger(landing, as_of_the_past)
    assert "# 22 landed, . 2 empty," in ingest("--ledger", *DAY).stdout
    assert ingest(*DAY).returncode == 0
    assert len(api.requests) == 2
    healed = {
        line["hour"][:13]: line["files"]
        for path in landing.glob("ledger/*/*/*.json")
        for line in map(json.loads, path.read_text().splitlines())
        if line.get("clock") == "server"
    }
    assert healed == {hour: line["files"] for hour, line in whole.items()}


def as_of_the_past(line: dict) -> None:
    """The old lines are older than now, the new ones older still."""
    days = 1 if line.get("clock") == "server" else 0.1
    then = datetime.now(UTC) - timedelta(days=days)
    line["exported_at"] = then.isoformat()


def test_a_line_that_landed_before_it_was_exported_is_not_believed(
    ingest, landing, api
):
    """The store's clock decides, however late someone looks."""
    assert ingest(*DAY).returncode == 0
    exported_at = datetime.now(UTC) - timedelta(days=1)

    def wrong(line: dict) -> None:
        line["exported_at"] = exported_at.isoformat()
        del line["clock"]

    rewrite_ledger(landing, wrong)
    for path in landing.glob("ledger/*/*/*.json"):
        landed_at = (exported_at - timedelta(days=10)).timestamp()
        os.utime(path, (landed_at, landed_at))
    assert ingest(*DAY).returncode == 0
    assert len(api.requests) == 2


def test_a_clock_behind_the_ledgers_is_noticed_without_a_request(ingest, landing, api):
    assert ingest(*DAY).returncode == 0

    def later(line: dict) -> None:
        line["exported_at"] = (datetime.now(UTC) + 5 * HOUR).isoformat()

    rewrite_ledger(landing, later)
    # Also where all that has landed lies in the future.
    for start in ("2026-01-14", f"{datetime.now(UTC) + 48 * HOUR:%Y-%m-%d}"):
        run = ingest("--start", start)
        assert run.returncode == 2
        assert "behind the ledger, which has " in run.stderr
    assert len(api.requests) == 1


def test_a_window_limit_from_the_future_is_not_believed(ingest, landing, api):
    api.faults.add("504", longer_than=12, times=None)
    assert ingest(*DAY).returncode == 0
    api.faults.replace([])
    for path in landing.glob("limits/*/*.json"):
        learned = json.loads(path.read_text())
        learned["learned_at"] = (datetime.now(UTC) + 100 * HOUR).isoformat()
        path.write_text(json.dumps(learned))
    asked_before = len(api.requests)
    assert ingest(*DAY, "--force").returncode == 0
    assert len(api.requests) == asked_before + 1


def test_retry_after_is_read_by_the_servers_clock(ingest, landing, api):
    server = datetime.now(UTC) - 0.9 * HOUR
    api.headers.update(
        {
            "Date": http_date(server),
            "Retry-After": http_date(server + timedelta(seconds=2)),
        }
    )
    api.faults.add("503")
    began = time.monotonic()
    run = ingest(*DAY)
    assert run.returncode == 0, run.stderr
    assert "again in 2.0 s" in run.stderr
    assert time.monotonic() - began < 30


def test_a_slow_answer_is_not_taken_for_a_wrong_clock():
    """`Date` may be of any moment between the question and the answer."""
    told: list[str] = []
    asked_at = datetime.now(UTC) - timedelta(minutes=30)
    for minutes in (0, 15, 30):
        clock = Clock(told.append)
        date = http_date(asked_at + timedelta(minutes=minutes))
        moment = clock.hear({"Date": date}, asked_at)
        assert abs(moment.made_at - asked_at) < timedelta(seconds=1)
    assert not told


def test_an_absurd_age_or_date_does_not_crash():
    asked_at = datetime.now(UTC)
    for headers in (
        {"Date": "Fri, 31 Dec 9999 23:59:59 GMT", "Age": "9" * 10},
        {"Date": "Mon, 01 Jan 0001 00:00:00 GMT", "Age": "9" * 10},
    ):
        with pytest.raises(WrongClock):
            Clock(lambda _: None).hear(headers, asked_at)
