"""The ingest through its front door, against the local Export API."""

import gzip
import hashlib
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from sandbox.amplitude.export_api import EXPORT_DIR, ExportApi, Project, serve

DAY = ("--start", "2026-01-14", "--end", "2026-01-14")
DAY_EVENTS = 2629
EMPTY_HOURS = {"2026-01-14T03", "2026-01-14T04"}
BAD_HOUR = "20260114T10"


def events(landing: Path) -> Counter[str]:
    """Every landed event by its `uuid`; fails if an object is not what its key says."""
    found: Counter[str] = Counter()
    for path in landing.glob("events/*/*/*/*"):
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        assert path.name.split(".")[0].endswith(digest[:16])
        lines = gzip.decompress(content) if path.suffix == ".gz" else content
        found.update(json.loads(line)["uuid"] for line in lines.splitlines())
    return found


def exported(day: str) -> Counter[str]:
    """Every event of the sample export that was uploaded on that day."""
    found: Counter[str] = Counter()
    for path in EXPORT_DIR.glob(f"*/*_{day}_*.json.gz"):
        with gzip.open(path) as lines:
            found.update(json.loads(line)["uuid"] for line in lines)
    return found


def ledger(landing: Path) -> dict[str, dict]:
    """The newest line of each hour, by hours like `2026-01-14T03`."""
    lines = [
        json.loads(line)
        for path in landing.glob("ledger/*/*/*.json")
        for line in path.read_text().splitlines()
    ]
    lines.sort(key=lambda line: line["exported_at"])
    return {line["hour"][:13]: line for line in lines}


def statuses(landing: Path) -> Counter[str]:
    return Counter(line["status"] for line in ledger(landing).values())


def window_limits(landing: Path) -> list[int | None]:
    """What was learned of how long a window may be, in order."""
    return [
        json.loads(path.read_text())["window_limit_hours"]
        for path in sorted(landing.glob("limits/*/*.json"))
    ]


def assert_day_is_whole(landing: Path) -> None:
    assert events(landing) == exported("2026-01-14")
    assert statuses(landing) == {"landed": 22, "empty": 2}


# ------------------------------------------------------------------- what it lands


def test_the_ledger_needs_no_keys(ingest, tmp_path):
    """Of each project that has landed; hours without events are of its keys."""
    ingest("--start", "2026-01-14", "--end", "2026-01-15")
    expected = ingest("--ledger", "--end", "2026-01-15").stdout
    keys = {"AMP_API_KEY": "", "AMP_SECRET_KEY": ""}
    assert ingest("--ledger", **keys).stdout == expected
    assert "46 landed, . 2 empty" in expected
    # The same hours once more, as those of another project with another key.
    ledger = tmp_path / "landing/ledger"
    other = shutil.copytree(ledger / "100500123", ledger / "7")
    for file in other.rglob("*.json"):
        lines = file.read_text().replace(
            '"project_id": "100500123"', '"project_id": "7"'
        )
        file.write_text(lines.replace('"api_key_id": "', '"api_key_id": "x'))
    both = ingest("--ledger", **keys).stdout
    assert "project 7, upload" in both and both.startswith(expected.strip()[:40])
    verified = ingest("--verify", **keys)
    assert verified.returncode == 0 and "0 damaged, 0 missing" in verified.stdout
    refused = ingest("--start", "2026-01-14", **keys)
    assert refused.returncode == 2 and "AMP_API_KEY is not set" in refused.stderr


def test_without_keys_an_empty_landing_is_no_error(ingest):
    shown = ingest("--ledger", AMP_API_KEY="", AMP_SECRET_KEY="")
    assert shown.returncode == 0
    assert "nothing has landed" in shown.stderr + shown.stdout


def test_lands_every_event_once_and_says_so_in_the_ledger(ingest, landing, api):
    run = ingest(*DAY)
    assert run.returncode == 0, run.stderr
    assert f"24 hours (2 empty, 22 landed), {DAY_EVENTS} events" in run.stderr
    assert " 1 requests, 0 retries, " in run.stderr
    assert " events/s" in run.stderr
    assert_day_is_whole(landing)
    hours = ledger(landing)
    assert {hour for hour in hours if hours[hour]["status"] == "empty"} == EMPTY_HOURS
    assert sum(line["event_count"] for line in hours.values()) == DAY_EVENTS
    for line in hours.values():
        assert line["project_id"] == "100500123"
        assert line["file_count"] == len(line["files"])
        for file in line["files"]:
            content = (landing / file["key"]).read_bytes()
            assert file["byte_count"] == len(content)
            assert file["sha256"] == hashlib.sha256(content).hexdigest()
            assert file["event_count"] == len(gzip.decompress(content).splitlines())
            assert file["key"].startswith(
                f"events/100500123/{line['hour'][:10]}/{line['hour'][11:13]}/"
            )
            assert Path(file["key"]).name.startswith(
                file["member"].partition("#")[2][:1] + "-"
            )
    assert [(r.start, r.end) for r in api.requests] == [("20260114T00", "20260114T23")]


def test_asks_for_nothing_twice(ingest, landing, api):
    ingest(*DAY)
    before = {path: path.stat().st_mtime_ns for path in landing.rglob("*")}
    again = ingest(*DAY)
    assert again.returncode == 0
    assert len(api.requests) == 1
    assert {path: path.stat().st_mtime_ns for path in landing.rglob("*")} == before


def test_forced_it_asks_again_and_lands_no_event_twice(ingest, landing, api):
    ingest(*DAY)
    assert ingest(*DAY, "--force").returncode == 0
    assert len(api.requests) == 2
    assert_day_is_whole(landing)


def test_goes_on_where_the_ledger_ends(ingest, landing, api):
    ingest("--start", "2026-01-14", "--end", "2026-01-14T11")
    run = ingest("--end", "2026-01-14")
    assert run.returncode == 0, run.stderr
    assert api.requests[-1].start == "20260114T12"
    assert_day_is_whole(landing)


def test_begins_at_the_start_in_the_settings(ingest, landing, api):
    assert ingest("--end", "2026-01-14", AMP_START="2026-01-14").returncode == 0
    assert_day_is_whole(landing)


def test_asks_what_to_begin_with_before_anything_has_landed(ingest):
    run = ingest()
    assert run.returncode == 2
    assert "make ingest START=" in run.stderr
    assert "AMP_START" in run.stderr


def test_waits_for_hours_that_are_not_complete_yet(ingest, api):
    today = f"{datetime.now(UTC):%Y-%m-%dT%H}"
    run = ingest("--start", today, "--end", today)
    assert run.returncode == 0
    assert "not complete at Amplitude yet" in run.stderr
    assert api.requests == []


def test_shows_what_it_would_ask_for(ingest, landing, api):
    run = ingest(*DAY, "--dry-run")
    assert run.stdout.splitlines() == ["2026-01-14T00 to 2026-01-14T23"]
    assert api.requests == []


def test_lands_plain_json_on_request(ingest, landing):
    assert ingest(*DAY, "--format", "json").returncode == 0
    assert {path.suffix for path in landing.glob("events/*/*/*/*")} == {".json"}
    assert_day_is_whole(landing)


@pytest.mark.parametrize(("age_hours", "requests"), [(20, 2), (60, 1)])
def test_asks_for_an_empty_hour_until_it_is_48_hours_old(
    ingest, api, age_hours, requests
):
    hour = f"{datetime.now(UTC) - timedelta(hours=age_hours):%Y-%m-%dT%H}"
    for _ in range(2):
        assert ingest("--start", hour, "--end", hour).returncode == 0
    assert len(api.requests) == requests


def test_records_a_day_without_events_as_empty(ingest, landing, api):
    run = ingest("--start", "2026-02-01", "--end", "2026-02-01")
    assert run.returncode == 0
    assert "24 hours (24 empty), 0 events" in run.stderr
    assert statuses(landing) == {"empty": 24}
    assert ingest("--start", "2026-02-01", "--end", "2026-02-01").returncode == 0
    assert [request.status for request in api.requests] == [404]


def test_does_not_take_one_project_for_another(ingest, landing, tmp_path):
    ingest(*DAY)
    other = tmp_path / "export" / "200"
    other.mkdir(parents=True)
    for path in EXPORT_DIR.glob("*/*_2026-01-14_*.json.gz"):
        shutil.copy(path, other / path.name.replace("100500123", "200"))
    keys = Project("other-key", "other-secret", "200")
    with serve(tmp_path / "export", projects=[keys]) as api:
        assert ingest(*DAY, **api.environment).returncode == 0
        wrong = ingest(*DAY, "--force", AMP_PROJECT_ID="300", **api.environment)
    assert len(list((landing / "ledger").iterdir())) == 2
    assert len(list((landing / "events" / "200").rglob("*.json.gz"))) > 22
    assert wrong.returncode == 2
    assert "project 200" in wrong.stderr


def test_reads_archives_whose_members_are_stored(ingest, landing):
    with serve(stored=True) as api:
        assert ingest(*DAY, **api.environment).returncode == 0
    assert_day_is_whole(landing)


# ---------------------------------------------------------------------- what it tells


def test_shows_the_ledger_as_a_calendar(ingest, landing, api):
    api.faults.add("too_large", hours=[BAD_HOUR], times=None)
    ingest("--start", "2026-01-13", "--end", "2026-01-14T11")
    before = len(api.requests)
    shown = ingest("--ledger", "--start", "2026-01-10", "--end", "2026-01-14T13")
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == [
        "project 100500123, upload hours in UTC",
        "# 33 landed, . 2 empty, ! 1 too large, ? 74 missing",
        "                          00     06     12     18",
        "2026-01-10 to 2026-01-12  ?????? ?????? ?????? ??????             0 events",
        "2026-01-13                ###### ###### ###### ######         2,626 events",
        "2026-01-14                ###..# ####!# ??                      998 events",
    ]
    # Without a range: from what is known first to the last hour that is complete.
    assert ingest("--ledger").stdout.splitlines()[3].startswith("2026-01-13  ")
    assert len(api.requests) == before


def test_tells_github_what_a_run_did(ingest, api, tmp_path):
    api.faults.add("bad_line", hours=[BAD_HOUR], times=None)
    page = tmp_path / "page.md"
    page.write_text("before\n")
    run = ingest(*DAY, GITHUB_STEP_SUMMARY=str(page))
    assert run.returncode == 1
    text = page.read_text()
    assert text.startswith("before\n### Ingest\n")
    for row in ("| hours landed | 21 |", "| hours open | 1 |", "| requests | 2 |"):
        assert row in text
    assert "- 2026-01-14T10 stays open: 100500123/100500123_2026-01-14_10#0" in text
    assert "line 2 is not a JSON object" in text

    secret = "wrong-secret-value"
    ingest(*DAY, GITHUB_STEP_SUMMARY=str(page), AMP_SECRET_KEY=secret)
    assert "- Amplitude refuses the keys" in page.read_text()
    assert secret not in page.read_text()

    api.faults.replace([])
    nowhere = ingest(*DAY, GITHUB_STEP_SUMMARY=str(tmp_path / "none" / "page.md"))
    assert nowhere.returncode == 0
    assert "job summary cannot be written" in nowhere.stderr


# ----------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "429"},
        {"kind": "500", "times": 4},
        {"kind": "503", "times": 2},
        {"kind": "drop", "after_bytes": 20_000},
        {"kind": "truncate", "after_bytes": 20_000},
        {"kind": "bad_crc", "hours": [BAD_HOUR]},
        {"kind": "bad_gzip", "hours": [BAD_HOUR]},
        {"kind": "bad_line", "hours": [BAD_HOUR]},
        {"kind": "504", "longer_than": 5, "times": None},
        {"kind": "too_large", "longer_than": 1, "times": None},
    ],
    ids=lambda fault: fault["kind"],
)
def test_gets_over_a_passing_fault(ingest, landing, api, fault):
    api.faults.add(**fault)
    run = ingest(*DAY)
    assert run.returncode == 0, run.stderr
    assert len(api.requests) > 1
    assert_day_is_whole(landing)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("bad_crc", "damaged"),
        ("bad_gzip", "gzip data is damaged"),
        ("bad_line", "line 2 is not a JSON object"),
        ("truncate", "cut off"),
        ("drop", "broke off"),
        ("500", "500"),
    ],
)
def test_leaves_an_hour_open_that_stays_bad(ingest, landing, api, kind, reason):
    after = {"after_bytes": 100} if kind in ("truncate", "drop") else {}
    api.faults.add(kind, hours=[BAD_HOUR], times=None, **after)
    run = ingest(*DAY)
    assert run.returncode == 1
    assert "2026-01-14T10 stays open" in run.stderr
    assert reason in run.stderr
    assert "Traceback" not in run.stderr
    assert "2026-01-14T10" not in ledger(landing)
    assert statuses(landing) == {"landed": 21, "empty": 2}

    api.faults.replace([])
    asked_before = len(api.requests)
    assert ingest(*DAY).returncode == 0
    again = api.requests[asked_before:]
    assert [(r.start, r.end) for r in again] == [(BAD_HOUR, BAD_HOUR)]
    assert_day_is_whole(landing)


@pytest.mark.parametrize("kind", ["too_large", "504"])
def test_records_an_hour_that_is_too_large(ingest, landing, api, kind):
    api.faults.add(kind, hours=[BAD_HOUR], times=None)
    run = ingest(*DAY)
    assert run.returncode == 1
    assert "2026-01-14T10 is too large for the Export API" in run.stderr
    assert statuses(landing) == {"landed": 21, "empty": 2, "too_large": 1}
    assert ledger(landing)["2026-01-14T10"]["status"] == "too_large"

    # What was refused for its size is settled; a time-out may have been an outage.
    api.faults.replace([])
    asked_before = len(api.requests)
    assert ingest(*DAY).returncode == 0
    assert len(api.requests) - asked_before == (kind == "504")
    if kind == "504":
        assert_day_is_whole(landing)
    else:
        assert "its own export to Amazon S3" in run.stderr


def test_takes_an_answer_that_stops_for_a_window_that_is_too_long(ingest, landing, api):
    api.faults.add("slow", longer_than=12, times=None, seconds=6)
    run = ingest(*DAY, AMP_TIMEOUT_SECONDS="2")
    assert run.returncode == 0, run.stderr
    assert_day_is_whole(landing)


def test_takes_an_answer_without_an_end_for_a_window_that_is_too_long(
    ingest, landing, api
):
    api.faults.add("slow", longer_than=12, times=None, seconds=0, chunk_seconds=1)
    run = ingest(*DAY, AMP_ANSWER_SECONDS="3")
    assert run.returncode == 0, run.stderr
    assert_day_is_whole(landing)


def test_remembers_the_size_of_window_that_worked(ingest, landing, api):
    api.faults.add("504", longer_than=5, times=None)
    ingest("--start", "2026-01-13", "--end", "2026-01-13")
    refused = [request for request in api.requests if request.status == 504]
    assert len(refused) == 3  # 24, 12 and 6 hours
    ingest("--start", "2026-01-13", "--end", "2026-01-14")
    assert [r for r in api.requests if r.status == 504] == refused
    assert window_limits(landing) == [12, 6, 3]

    # After two weeks it may have been a bad day.
    api.faults.replace([])
    for path in landing.glob("limits/*/*.json"):
        learned = json.loads(path.read_text())
        learned["learned_at"] = "2026-01-20T00:00:00+00:00"
        path.write_text(json.dumps(learned))
    asked_before = len(api.requests)
    assert ingest(*DAY, "--force").returncode == 0
    assert len(api.requests) == asked_before + 1


def test_remembers_a_size_even_if_nothing_lands(ingest, landing, api):
    api.faults.add("too_large", longer_than=6, times=None)
    api.faults.add("429", times=None)
    assert ingest(*DAY).returncode == 1
    assert window_limits(landing) == [12, 6]
    asked_before = len(api.requests)
    assert ingest(*DAY).returncode == 1
    assert {r.status for r in api.requests[asked_before:]} == {429}


def test_asks_for_long_windows_again_after_one_hour_that_is_too_large(
    ingest, landing, api
):
    api.faults.add("too_large", hours=[BAD_HOUR], times=None)
    run = ingest("--start", "2026-01-14", "--end", "2026-03-31")
    assert run.returncode == 1
    assert len(api.requests) < 40
    assert window_limits(landing)[-1] is None


def test_tries_longer_windows_when_shorter_ones_are_served_for_long(
    ingest, landing, api
):
    api.faults.add("504", times=9)
    run = ingest("--start", "2026-01-01", "--end", "2026-03-01")
    assert run.returncode in (0, 1)
    assert len(api.requests) < 400
    assert statuses(landing).total() == 60 * 24

    # What is known to fail is tried but once.
    api.faults.replace([])
    api.faults.add("504", longer_than=2, times=None)
    asked_before = len(api.requests)
    ingest("--start", "2026-01-01", "--end", "2026-01-20", "--force")
    refused = [r for r in api.requests[asked_before:] if r.status == 504]
    assert len(refused) < 10


def test_waits_as_long_as_it_is_told(ingest, api):
    api.faults.add("429", retry_after=2)
    began = time.monotonic()
    assert ingest(*DAY).returncode == 0
    assert time.monotonic() - began > 2


def test_gives_up_on_an_api_that_is_always_busy(ingest, landing, api):
    api.faults.add("429", times=None)
    run = ingest(*DAY)
    assert run.returncode == 1
    assert "Amplitude is busy" in run.stderr
    assert len(api.requests) == 5
    assert not ledger(landing)


def test_gives_up_in_an_outage(ingest, landing, api):
    api.faults.add("500", times=None)
    run = ingest("--start", "2025-01-01", "--end", "2026-01-31")
    assert run.returncode == 1
    assert "windows failed in a row" in run.stderr
    assert len(api.requests) < 100
    assert not ledger(landing)


def test_takes_no_outage_for_hours_that_are_too_large(ingest, landing, api):
    api.faults.add("504", times=None)
    run = ingest(*DAY)
    assert run.returncode == 1
    assert "windows failed in a row" in run.stderr
    api.faults.replace([])
    assert ingest(*DAY).returncode == 0
    assert_day_is_whole(landing)


def test_takes_no_api_that_refuses_everything_for_hours_that_are_too_large(
    ingest, landing, api
):
    api.faults.add("too_large", times=None)
    run = ingest(*DAY)
    assert run.returncode == 1
    assert "windows failed in a row" in run.stderr
    api.faults.replace([])
    assert ingest(*DAY).returncode == 0
    assert_day_is_whole(landing)


def test_says_what_was_left_when_it_gave_up(ingest, api):
    api.faults.add("500", times=None)
    run = ingest(*DAY)
    assert run.returncode == 1
    assert "24 hours (24 open), 0 events" in run.stderr


def test_a_slow_answer_is_not_newer_than_one_asked_for_after_it(
    ingest, ingest_environment, landing, tmp_path
):
    source = tmp_path / "export" / "5"
    source.mkdir(parents=True)
    first, second = (source / f"5_2026-01-14_{h}#0.json.gz" for h in (0, 1))
    noise = "".join(random.Random(1).choices("0123456789abcdef", k=2 << 20))
    first.write_bytes(gzip.compress(b'{"uuid": "1"}\n'))
    second.write_bytes(gzip.compress(f'{{"uuid": "{noise}"}}\n'.encode()))
    with serve(tmp_path / "export") as api:
        api.faults.add("slow", longer_than=1, seconds=0, chunk_seconds=0.3)
        hours = ["--start", "2026-01-14T00", "--end", "2026-01-14T01"]
        slow = subprocess.Popen(
            [sys.executable, "-m", "ingest", *hours],
            cwd=tmp_path,
            env=ingest_environment | api.environment,
        )
        while not api.requests:
            time.sleep(0.01)
        first.write_bytes(gzip.compress(b'{"uuid": "1"}\n{"uuid": "2"}\n'))
        hour = ("--start", "2026-01-14T00", "--end", "2026-01-14T00")
        assert ingest(*hour, **api.environment).returncode == 0
        assert slow.poll() is None
        assert slow.wait(60) == 0
    assert ledger(landing)["2026-01-14T00"]["event_count"] == 2
    assert ledger(landing)["2026-01-14T01"]["event_count"] == 1


def test_takes_no_empty_answer_of_another_key_for_the_projects(
    ingest, landing, tmp_path
):
    (tmp_path / "export" / "6").mkdir(parents=True)
    other = Project("other-key", "other-secret", "6")
    with serve(tmp_path / "export", projects=[other]) as api:
        wrong = ingest(*DAY, AMP_PROJECT_ID="100500123", **api.environment)
        assert wrong.returncode == 0
    assert ingest(*DAY, AMP_PROJECT_ID="100500123").returncode == 0
    assert_day_is_whole(landing)


def test_does_not_forget_what_landed_when_the_api_says_it_is_empty(
    ingest, landing, tmp_path
):
    ingest(*DAY)
    (tmp_path / "export").mkdir()
    with serve(tmp_path / "export") as api:
        run = ingest(*DAY, "--force", **api.environment)
    assert run.returncode == 1
    assert (
        "2026-01-14T05 stays open: Amplitude now reports no data for it" in run.stderr
    )
    assert_day_is_whole(landing)


def test_stops_the_download_when_nothing_can_land(ingest, landing, api):
    landing.mkdir()
    (landing / "events").write_text("in the way")
    api.faults.add("slow", seconds=0, chunk_seconds=2, times=None)
    began = time.monotonic()
    run = ingest("--start", "2026-01-12", "--end", "2026-01-18")
    assert run.returncode == 5, run.stderr
    # The whole archive would take 70 s.
    assert time.monotonic() - began < 40


def test_names_what_to_check_when_the_keys_are_refused(ingest, api):
    run = ingest(*DAY, AMP_SECRET_KEY="wrong-secret-value")
    assert run.returncode == 3
    for part in ("Invalid API Key", "AMP_API_KEY", "AMP_SECRET_KEY", "AMP_REGION"):
        assert part in run.stderr
    assert [request.status for request in api.requests] == [403]


def test_says_that_amplitude_cannot_be_reached(ingest):
    run = ingest(*DAY, AMP_EXPORT_URL="http://127.0.0.1:9/api/2/export")
    assert run.returncode == 4
    assert "cannot be reached" in run.stderr
    assert "refused" in run.stderr


def test_takes_no_wrong_address_for_an_empty_project(ingest, landing, api):
    run = ingest(*DAY, AMP_EXPORT_URL=api.url.replace("/export", "/exports"))
    assert run.returncode == 4
    assert "check AMP_EXPORT_URL" in run.stderr
    assert not ledger(landing)


class Elsewhere(BaseHTTPRequestHandler):
    """A server that is not the Export API."""

    answers: ClassVar = {
        "/redirect": (302, {"Location": "http://127.0.0.1:9/"}, b""),
        "/sign-in": (200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"),
        "/api/2/export": (404, {}, b""),
        "/not-found": (404, {"Content-Type": "text/html"}, b"<html>Not here</html>"),
        "/nothing": (200, {}, b""),
        "/no-files": (200, {}, b"PK\x05\x06" + bytes(18)),
    }

    def do_GET(self) -> None:
        status, headers, body = self.answers[self.path.partition("?")[0]]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serve_elsewhere(ingest: Callable, path: str) -> subprocess.CompletedProcess[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}{path}"
        hour = ("--start", "2026-01-14T00", "--end", "2026-01-14T00")
        run = ingest(*hour, AMP_EXPORT_URL=url)
        server.shutdown()
    return run


@pytest.mark.parametrize(
    "name",
    [
        "../../5_2026-01-14_0#0.json.gz",
        "/5_2026-01-14_0#0.json.gz",
        "5/../../5_2026-01-14_0#0.json.gz",
        "C:\\5_2026-01-14_0#0.json.gz",
        "5/5_2026-01-14_0#0.json.gz\n",
        "6/5_2026-01-14_0#0.json.gz",
        "5/5_2026-01-15_0#0.json.gz",
        "5/5_2026-01-14_99#0.json.gz",
        "readme.txt",
    ],
)
def test_lands_nothing_under_a_strange_name(
    ingest, landing, tmp_path, monkeypatch, name
):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, gzip.compress(b'{"uuid": "1"}\n'))
    answer = (200, {}, archive.getvalue())
    monkeypatch.setitem(Elsewhere.answers, "/strange", answer)
    run = serve_elsewhere(ingest, "/strange")
    assert run.returncode == 1
    assert "unexpected member: " in run.stderr
    assert not list(landing.glob("events/**/*"))
    assert not ledger(landing)
    assert not list(tmp_path.rglob("5_2026*"))


def test_needs_no_text_to_take_a_404_for_an_empty_window(ingest, landing):
    assert serve_elsewhere(ingest, "/api/2/export").returncode == 0
    assert statuses(landing) == {"empty": 1}


@pytest.mark.parametrize(
    ("path", "code", "says"),
    [
        ("/redirect", 4, "returned 302"),
        ("/sign-in", 4, "returned 200 with a web page"),
        ("/not-found", 4, "returned 404 with a web page"),
        ("/nothing", 1, "stays open: the archive is cut off"),
        ("/no-files", 1, "stays open: the archive holds no file"),
    ],
)
def test_says_that_something_else_answers(ingest, landing, path, code, says):
    run = serve_elsewhere(ingest, path)
    assert run.returncode == code, run.stderr
    assert says in run.stderr
    assert not ledger(landing)


def test_sends_no_key_in_the_clear(ingest):
    run = ingest(*DAY, AMP_EXPORT_URL="http://example.com/api/2/export")
    assert run.returncode == 2
    assert "not https" in run.stderr


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "gzip data is cut off"),
        (gzip.compress(b'{"a": "\xff"}\n'), "line 1 is not UTF-8"),
        (gzip.compress(b'{"a":\r1}\n'), "line 1 holds a carriage return"),
        (gzip.compress(b"{}\n[1]\n"), "line 2 is not a JSON object"),
        (
            gzip.compress(b'{"a": "' + b"x" * 100_000_000 + b'"}\n'),
            "longer than 16 MiB",
        ),
        (gzip.compress(b"{}\n" * (10 << 20)), "inflates beyond reason"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lands_no_member_that_could_not_be_loaded(
    ingest, landing, tmp_path, content, reason
):
    good, bad = (
        tmp_path / "export" / "5" / f"5_2026-01-14_{h}#0.json.gz" for h in (0, 1)
    )
    good.parent.mkdir(parents=True)
    good.write_bytes(gzip.compress(b'{"uuid": "1"}\r\n\n{"uuid": "2"}'))
    bad.write_bytes(content)
    with serve(tmp_path / "export") as api:
        run = ingest(*DAY, **api.environment)
    assert run.returncode == 1
    assert f"2026-01-14T01 stays open: 5/{bad.name}: " in run.stderr
    assert reason in run.stderr
    assert statuses(landing) == {"landed": 1, "empty": 22}
    assert ledger(landing)["2026-01-14T00"]["event_count"] == 2


@pytest.mark.parametrize("how", ["--force", "--repair"])
def test_a_damaged_file_is_found_and_replaced(ingest, landing, api, how):
    ingest(*DAY)
    assert ingest("--ledger", "--verify").returncode == 0
    damaged, missing = sorted(landing.glob("events/*/*/*/*"))[:2]
    damaged.write_bytes(damaged.read_bytes()[:100])
    missing.unlink()
    unrecorded = missing.with_name(f"9-{'0' * 16}.json.gz")
    unrecorded.write_bytes(b"of a run that was killed")
    (landing / "events/100500123/notes.txt").touch()
    check = ingest("--ledger", "--verify", *DAY)
    assert check.returncode == 1
    folder = landing.as_posix() + "/"
    assert check.stdout.splitlines()[4:] == [
        f"damaged: {damaged.as_posix().removeprefix(folder)}",
        f"missing: {missing.as_posix().removeprefix(folder)}",
        f"other, damaged: {unrecorded.as_posix().removeprefix(folder)}",
        "strange: events/100500123/notes.txt",
        "checked 29 files: 27 whole, 1 damaged, 1 missing",
        "and 1 others, of older or unrecorded exports: 0 whole, 1 damaged",
        "make ingest ARGS=--repair asks for these hours again",
    ]
    unrecorded.unlink()
    run = ingest(*DAY, how)
    assert run.returncode == 0, run.stderr
    assert "was damaged: replaced" in run.stderr
    assert_day_is_whole(landing)
    hours = {damaged.parent, missing.parent}
    assert f"{len(hours) if how == '--repair' else 24} hours to ask" in run.stderr
    # Nothing is left to repair.
    asked_before = len(api.requests)
    assert ingest(*DAY, "--repair").returncode == 0
    assert len(api.requests) == asked_before


def test_a_run_that_meets_a_damaged_file_leaves_its_hour_open(ingest, landing):
    ingest(*DAY)
    path = min(landing.glob("events/*/*/*/*"))
    path.write_bytes(path.read_bytes()[:100])
    shutil.rmtree(landing / "ledger")
    run = ingest(*DAY)
    assert run.returncode == 1
    assert "is damaged, its content is not what its name says" in run.stderr
    assert "make ingest ARGS=--repair" in run.stderr
    assert path.stat().st_size == 100
    assert statuses(landing) == {"landed": 21, "empty": 2}


def test_a_file_that_is_not_the_ingests_is_ignored(ingest, landing, api):
    ingest(*DAY)
    for name in (
        "ledger/notes.txt",
        "ledger/notes.json",
        "ledger/100500123/2026-01-14/copy of a file.json",
        "ledger/100500123/2026-01-14/folder.json/x",
        f"limits/{'0' * 16}/notes.txt",
    ):
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).write_bytes(b"\x1f\x8bnot a ledger")
    run = ingest(*DAY)
    assert run.returncode == 0, run.stderr
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"AMP_API_KEY": ""}, "AMP_API_KEY is not set"),
        ({"AMP_SECRET_KEY": " "}, "AMP_SECRET_KEY is not set"),
        ({"AMP_REGION": "mars"}, "AMP_REGION must be us or eu, not mars"),
        ({"AMP_START": "yesterday"}, "AMP_START is not a day or hour"),
        ({"AMP_PROJECT_ID": "mine"}, "AMP_PROJECT_ID is not a number"),
        ({"AMP_TIMEOUT_SECONDS": "long"}, "AMP_TIMEOUT_SECONDS is not a number"),
        ({"AMP_TIMEOUT_SECONDS": "0"}, "AMP_TIMEOUT_SECONDS is not a number"),
        ({"AMP_API_KEY": "ключ"}, "AMP_API_KEY contains a character"),
        ({"AMP_EXPORT_URL": "amplitude.com"}, "AMP_EXPORT_URL is not an address"),
        ({"AMP_EXPORT_URL": "https://:hunter2@a.com/"}, "AMP_EXPORT_URL is not an"),
        ({"AMP_EXPORT_URL": "https://a.com/?key=hunter2"}, "AMP_EXPORT_URL is not an"),
        ({"LANDING": "gs://bucket"}, "LANDING is neither"),
        ({"LANDING": "s3://"}, "LANDING names no bucket"),
        ({"AWS_ACCESS_KEY": "key"}, "AWS_SECRET_KEY is not set"),
    ],
)
def test_names_the_setting_that_is_missing_or_malformed(ingest, settings, says):
    run = ingest(*DAY, **settings)
    assert run.returncode == 2
    assert says in run.stderr
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--start", "soon"),
        ("--start", "2026-13-01"),
        ("--start", "2026-01-02", "--end", "2026-01-01"),
        ("--start", "2026-01-01", "--workers", "5"),
    ],
)
def test_refuses_malformed_arguments(ingest, arguments):
    run = ingest(*arguments)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_says_that_the_landing_cannot_be_used(ingest, landing, api):
    landing.write_text("a file where a folder should be")
    run = ingest(*DAY)
    assert run.returncode == 5
    assert f"the landing folder {landing} cannot be used" in run.stderr
    assert api.requests == []


def test_says_that_the_ledger_cannot_be_read(ingest, landing):
    broken = landing / "ledger/100500123/2026-01-14/run.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("no ledger\n")
    run = ingest(*DAY)
    assert run.returncode == 5
    assert "ledger/100500123/2026-01-14/run.json in the landing is no" in run.stderr


def test_parses_every_line_on_request(ingest, landing, api):
    api.faults.add("bad_line", hours=[BAD_HOUR], times=None, line="{no JSON}")
    assert ingest(*DAY, "--validate").returncode == 1
    assert "2026-01-14T10" not in ledger(landing)


# ------------------------------------------------------- how it ends, what it says


def start_slowly(environment: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ingest", *DAY],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts in the background is started deaf to it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_is_completed_by_the_next(
    ingest, ingest_environment, landing, tmp_path, api: ExportApi, how
):
    api.faults.add("slow", seconds=0, chunk_seconds=0.2)
    process = start_slowly(ingest_environment, tmp_path)
    deadline = time.monotonic() + 30
    while not list(landing.glob("events/*/*/*/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(how)
    _, said = process.communicate(timeout=30)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert "Traceback" not in said
    assert 0 < events(landing).total() < DAY_EVENTS
    assert not ledger(landing)

    (landing / ".incoming" / "left").touch()
    assert ingest(*DAY).returncode == 0
    assert_day_is_whole(landing)
    assert not list((landing / ".incoming").iterdir())


def test_two_runs_at_once_do_no_harm(ingest, ingest_environment, landing, tmp_path):
    runs = [start_slowly(ingest_environment, tmp_path) for _ in range(2)]
    assert [(run.communicate()[1], run.returncode)[1] for run in runs] == [0, 0]
    assert_day_is_whole(landing)
    assert not list((landing / ".incoming").iterdir())


def test_keeps_a_log_and_no_secret(ingest, tmp_path, api):
    api.faults.add("500")
    runs = [ingest(*DAY), ingest(*DAY, "--force", AMP_API_KEY="another-key-0815")]
    logs = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert "INFO 24 hours (2 empty, 22 landed)" in logs
    assert "ERROR ingest: Amplitude refuses the keys" in logs
    said = logs + "".join(run.stdout + run.stderr for run in runs)
    for secret in (*api.environment.values(), "another-key-0815"):
        assert secret == api.url or secret not in said


def test_reads_settings_from_a_file_and_prefers_the_environment(
    ingest_environment, tmp_path, landing
):
    settings = ("AMP_API_KEY", "AMP_SECRET_KEY", "AMP_EXPORT_URL")
    given = {name: ingest_environment.pop(name) for name in settings}
    (tmp_path / ".env").write_text(
        "".join(f"{name}={value}\n" for name, value in given.items())
        + "LANDING=/nowhere\n"
    )
    run = start_slowly(ingest_environment, tmp_path)
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert_day_is_whole(landing)
