"""The ingest through its front door, against the local Export API."""

import gzip
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

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


def test_continues_where_the_ledger_ends(ingest, landing, api):
    ingest("--start", "2026-01-14", "--end", "2026-01-14T11")
    run = ingest("--end", "2026-01-14")
    assert run.returncode == 0, run.stderr
    assert api.requests[-1].start == "20260114T12"
    assert_day_is_whole(landing)


def test_begins_at_the_start_in_the_settings(ingest, landing, api):
    assert ingest("--end", "2026-01-14", AMP_START="2026-01-14").returncode == 0
    assert_day_is_whole(landing)


def test_an_empty_landing_needs_a_start(ingest):
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


def test_writes_a_job_summary_in_github_actions(ingest, api, tmp_path):
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
    assert "- Amplitude rejects the keys" in page.read_text()
    assert secret not in page.read_text()

    api.faults.replace([])
    nowhere = ingest(*DAY, GITHUB_STEP_SUMMARY=str(tmp_path / "none" / "page.md"))
    assert nowhere.returncode == 0
    assert "job summary cannot be written" in nowhere.stderr


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
    assert "ERROR ingest: Amplitude rejects the keys" in logs
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
