"""What the ingest does when Amplitude, the landing or the settings are at fault."""

import gzip
import io
import json
import random
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import pytest
from test_ingest import (
    BAD_HOUR,
    DAY,
    assert_day_is_whole,
    ledger,
    statuses,
    window_limits,
)

from sandbox.amplitude.export_api import Project, serve


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
        ("drop", "was cut off"),
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


def test_an_answer_that_stops_counts_as_too_large(ingest, landing, api):
    api.faults.add("slow", longer_than=12, times=None, seconds=6)
    run = ingest(*DAY, AMP_TIMEOUT_SECONDS="2")
    assert run.returncode == 0, run.stderr
    assert_day_is_whole(landing)


def test_an_endless_answer_counts_as_too_large(ingest, landing, api):
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


def test_waits_as_long_as_retry_after_says(ingest, api):
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


def test_an_outage_does_not_mark_hours_as_too_large(ingest, landing, api):
    api.faults.add("504", times=None)
    run = ingest(*DAY)
    assert run.returncode == 1
    assert "windows failed in a row" in run.stderr
    api.faults.replace([])
    assert ingest(*DAY).returncode == 0
    assert_day_is_whole(landing)


def test_an_api_that_rejects_everything_is_an_outage_not_large_hours(
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


def test_an_empty_response_for_another_key_is_ignored(ingest, landing, tmp_path):
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


def test_a_wrong_address_is_not_an_empty_project(ingest, landing, api):
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
        ("/no-files", 1, "stays open: the archive contains no file"),
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
        (gzip.compress(b'{"a":\r1}\n'), "line 1 contains a carriage return"),
        (gzip.compress(b"{}\n[1]\n"), "line 2 is not a JSON object"),
        (
            gzip.compress(b'{"a": "' + b"x" * 100_000_000 + b'"}\n'),
            "longer than 16 MiB",
        ),
        (gzip.compress(b"{}\n" * (10 << 20)), "inflates to a suspicious size"),
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
        "make ingest ARGS=--repair requests these hours again",
    ]
    unrecorded.unlink()
    run = ingest(*DAY, how)
    assert run.returncode == 0, run.stderr
    assert "was damaged: replaced" in run.stderr
    assert_day_is_whole(landing)
    hours = {damaged.parent, missing.parent}
    assert f"{len(hours) if how == '--repair' else 24} hours to request" in run.stderr
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
