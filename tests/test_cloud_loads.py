"""make wait-loaded and make load-missing, against the ledger of a real ingest."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import duckdb
import fakesnow.server
import pytest
from commands import Finished, snowflake_setup

from ingest.landing import FolderLanding
from ingest.landing.ledger import HourRecord
from sandbox.amplitude.export_api import serve
from sandbox.snowflake import emulator, run, without_account
from sandbox.snowflake.copy import loaded_names
from snowflake_setup import repair as repairs
from snowflake_setup.expected import expected_files
from snowflake_setup.session import Session

pytestmark = [
    pytest.mark.xdist_group("emulator"),
    pytest.mark.filterwarnings("ignore:Arrow output on a DB-API"),
]

ROOT = Path(__file__).parents[1]
HOURS = ("--start", "2026-01-12T10", "--end", "2026-01-12T13")


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hours of the sample export, as the ingest lands them."""
    folder = tmp_path_factory.mktemp("ingest")
    with serve() as api:
        subprocess.run(
            [sys.executable, "-m", "ingest", *HOURS],
            cwd=folder,
            env=os.environ
            | api.environment
            | {"LANDING": "landing", "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
        )
    return folder / "landing"


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The emulator with snowflake_setup/ deployed, on a landing that is empty yet."""
    landing = tmp_path_factory.mktemp("landing") / "landing"
    (landing / "ledger").mkdir(parents=True)
    with emulator() as variables:
        variables |= {"LANDING": str(landing)}
        finished = command(variables, "deploy")
        assert finished.returncode == 0, finished.stderr
        yield variables


@pytest.fixture
def landing(variables: dict[str, str], landed: Path) -> Iterator[Path]:
    """The landing with the four hours in it, and nothing in raw."""
    landing = Path(variables["LANDING"])
    shutil.copytree(landed, landing, dirs_exist_ok=True)
    yield landing
    shutil.rmtree(landing / "erasures", ignore_errors=True)
    for folder in ("events", "ledger"):
        shutil.rmtree(landing / folder, ignore_errors=True)
        run(variables, f"delete from raw.amplitude.{folder}")
    forget_loads()


def forget_loads() -> None:
    """As if neither a pipe nor COPY INTO had ever loaded anything."""
    loaded_names.clear()
    cursor = fakesnow.server.shared_fs.duck_conn.cursor()
    cursor.execute("delete from raw._fs_information_schema._fs_load_history")


def command(variables: dict[str, str], *arguments: str) -> Finished:
    return snowflake_setup(without_account() | variables, *arguments)


def refresh(variables: dict[str, str]) -> None:
    for pipe in ("event_lines_pipe", "ledger_pipe"):
        run(variables, f"alter pipe raw.amplitude.{pipe} refresh")


def counts(variables: dict[str, str]) -> dict[str, int]:
    return dict(
        run(
            variables,
            "select filename, count(*) from raw.amplitude.events group by 1"
            " union all"
            " select filename, count(*) from raw.amplitude.ledger group by 1",
        )
    )


def wanted(landing: Path) -> dict[str, int]:
    return {f.key: f.row_count for f in expected_files(FolderLanding(landing))}


def age(landing: Path, days: float) -> None:
    """As if everything had landed so many days ago."""
    then = time.time() - days * 86400
    for file in landing.rglob("*.json*"):
        os.utime(file, (then, then))


def test_the_ledger_lists_every_file_and_its_rows(landing):
    expected = wanted(landing)
    files = [*landing.glob("events/*/*/*/*"), *landing.glob("ledger/*/*/*")]
    assert len(files) > 4
    assert expected.keys() == {f.relative_to(landing).as_posix() for f in files}


def test_of_an_hour_exported_anew_the_newer_files_count(landing):
    [ledger, *_] = sorted(landing.glob("ledger/*/*/*"))
    record = HourRecord.from_line(ledger.read_bytes().splitlines()[0])
    newer = json.loads(record.to_line()) | {
        "exported_at": datetime.now(UTC).isoformat(),
        "files": [
            {"key": "events/new", "member": "m", "event_count": 3,
             "byte_count": 9, "sha256": "0"}
        ],
        "event_count": 3,
        "file_count": 1,
        "byte_count": 9,
    }  # fmt: skip
    (ledger.parent / "newer.json").write_text(json.dumps(newer) + "\n")
    expected = wanted(landing)
    assert expected["events/new"] == 3
    assert not {file.key for file in record.files} & expected.keys()


def test_of_old_exports_only_all_of_them_are_looked_at(landing):
    for ledger in landing.glob("ledger/*/*/*"):
        lines = [json.loads(line) for line in ledger.read_text().splitlines()]
        for line in lines:
            line["exported_at"] = "2026-01-13T00:00:00+00:00"
        ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    newest = expected_files(FolderLanding(landing), timedelta(days=7))
    assert newest == [] and len(wanted(landing)) > 4


def test_the_pipes_own_copy_gives_the_rows_that_duckdb_reads(variables, landing):
    """Row for row, in the order of each file: the raw tables of both targets."""
    refresh(variables)
    for table, column in {"events": "raw_line", "ledger": "raw_json"}.items():
        loaded = defaultdict(list)
        for name, text in run(
            variables,
            f"select filename, {column}::varchar from raw.amplitude.{table}"
            " order by filename, file_row_number",
        ):
            loaded[name].append(json.loads(text))
        read = {}
        for file in sorted(landing.glob(f"{table}/**/*.json*")):
            lines = duckdb.execute(
                "select raw_json from read_csv(?, columns = {'raw_json': 'varchar'},"
                " header = false, auto_detect = false, quote = '', escape = '',"
                " delim = chr(1) || chr(2))",
                [str(file)],
            ).fetchall()
            key = file.relative_to(landing).as_posix()
            read[key] = [json.loads(line) for (line,) in lines]
        assert sum(map(len, read.values())) > 3
        assert loaded == read


def test_wait_ends_well_once_the_pipes_have_loaded(variables, landing):
    late = threading.Timer(2, refresh, [variables])
    late.start()
    finished = command(variables, "wait-loaded", "--timeout=60", "--pause=0.3")
    late.join()
    assert finished.returncode == 0, finished.stderr
    assert "raw is complete" in finished.stdout
    # It has waited: progress starts with nothing loaded.
    assert "0 of" in finished.stderr.splitlines()[0]
    assert counts(variables) == wanted(landing)


def test_wait_names_what_is_missing_when_the_time_is_up(variables, landing):
    refresh(variables)
    [key, *_] = [key for key in wanted(landing) if key.startswith("events/")]
    run(variables, f"delete from raw.amplitude.events where filename = '{key}'")
    finished = command(variables, "wait-loaded", "--timeout=0.5", "--pause=0.2")
    assert finished.returncode == 1
    assert f"missing  {key}" in finished.stdout
    assert "make load-missing" in finished.stdout


def test_wait_sees_a_file_of_which_a_row_is_missing_and_one_twice(variables, landing):
    refresh(variables)
    part, twice, *_ = [key for key in wanted(landing) if key.startswith("events/")]
    run(
        variables,
        "delete from raw.amplitude.events"
        f" where filename = '{part}' and file_row_number = 1",
    )
    finished = command(variables, "wait-loaded", "--timeout=0.5", "--pause=0.2")
    assert finished.returncode == 1 and f"partial  {part}" in finished.stdout
    run(
        variables,
        "insert into raw.amplitude.events"
        f" select * from raw.amplitude.events where filename = '{twice}'",
    )
    finished = command(variables, "wait-loaded", "--timeout=60", "--pause=1")
    assert finished.returncode == 1 and f"doubled  {twice}" in finished.stdout


def test_wait_does_not_wait_for_a_file_that_cannot_load(variables, landing):
    [key, *_] = [key for key in wanted(landing) if key.startswith("events/")]
    (landing / key).write_bytes(b"\x1f\x8b broken")
    refresh(variables)
    started = time.monotonic()
    finished = command(variables, "wait-loaded", "--timeout=300", "--pause=1")
    assert time.monotonic() - started < 60
    assert finished.returncode == 1
    assert f"missing  {key}" in finished.stdout and "gzip" in finished.stdout


def test_missing_files_load_once_young_ones_through_the_pipe(variables, landing):
    finished = command(variables, "load-missing", "--pause=0.1", "--timeout=20")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.count("queued at") == len(wanted(landing))
    assert counts(variables) == wanted(landing)
    again = command(variables, "load-missing")
    assert again.returncode == 0 and "nothing is missing" in again.stdout
    # What came by name the pipe knows: a later notice of the same object does nothing.
    refresh(variables)
    assert counts(variables) == wanted(landing)


def test_missing_files_load_once_old_ones_by_copy(variables, landing):
    age(landing, days=8)
    refresh(variables)
    assert counts(variables) == {}, "REFRESH reaches back 7 days"
    planned = command(variables, "load-missing", "--dry-run")
    assert "would copy into events" in planned.stdout and counts(variables) == {}
    finished = command(variables, "load-missing", "--pause=0.1", "--timeout=20")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "queued" not in finished.stdout
    assert counts(variables) == wanted(landing)
    again = command(variables, "load-missing")
    assert "nothing is missing" in again.stdout and counts(variables) == wanted(landing)


def test_only_what_is_missing_is_loaded(variables, landing):
    """COPY INTO knows nothing of what the pipe has loaded: it would load that twice."""
    refresh(variables)
    [key, *_] = [key for key in wanted(landing) if key.startswith("events/")]
    run(variables, f"delete from raw.amplitude.events where filename = '{key}'")
    age(landing, days=30)
    finished = command(variables, "load-missing", "--pause=0.1", "--timeout=20")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout == f"copied into events: {key}\n"
    assert counts(variables) == wanted(landing)


def test_rows_deleted_since_they_were_loaded_come_back(variables, landing):
    """The pipe would not take the file again: it remembers its name."""
    refresh(variables)
    [key, *_] = [key for key in wanted(landing) if key.startswith("events/")]
    run(variables, f"delete from raw.amplitude.events where filename = '{key}'")
    finished = command(variables, "load-missing", "--pause=0.1", "--timeout=20")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert counts(variables) == wanted(landing)


def test_rows_deleted_twice_come_back_and_a_table_that_was_dropped(variables, landing):
    """Neither the pipe nor COPY INTO would take a file again that it remembers."""
    refresh(variables)
    for lose in [
        "delete from raw.amplitude.ledger",
        "delete from raw.amplitude.ledger",
        "truncate table raw.amplitude.ledger",
    ]:
        run(variables, lose)
        finished = command(variables, "load-missing", "--pause=0.1", "--timeout=1")
        assert finished.returncode == 0, finished.stdout + finished.stderr
        assert counts(variables) == wanted(landing)


@pytest.mark.parametrize("case", ["young", "old", "deleted"])
def test_two_runs_at_once_load_no_row_twice(variables, landing, case):
    """The second begins and ends between what the first plans and what it does."""
    if case == "deleted":
        refresh(variables)
        for _ in range(2):  # by COPY, which then takes the files by force alone
            run(variables, "delete from raw.amplitude.events")
            command(variables, "load-missing", "--pause=0.1", "--timeout=20")
        run(variables, "delete from raw.amplitude.events")
    elif case == "old":
        age(landing, days=8)
    apply_repair = repairs.apply_repair
    others = []

    def apply_after_another_run(raw, repair):
        with patch.object(repairs, "apply_repair", apply_repair):
            others.append(
                command(variables, "load-missing", "--pause=0.1", "--timeout=20")
            )
        yield from apply_repair(raw, repair)

    with patch.object(repairs, "apply_repair", apply_after_another_run):
        finished = command(variables, "load-missing", "--pause=0.1", "--timeout=20")
    for one in (finished, *others):
        assert one.returncode == 0, one.stdout + one.stderr
    assert counts(variables) == wanted(landing)


def test_nothing_is_copied_while_a_pipe_might_load_it(variables, landing):
    age(landing, days=8)
    pause = "alter pipe raw.amplitude.event_lines_pipe set pipe_execution_paused = {}"
    run(variables, pause.format("true"))
    try:
        finished = command(variables, "load-missing", "--pause=0.1", "--timeout=20")
        assert finished.returncode == 1
        assert (
            "event_lines_pipe, and COPY must wait until the pipe is idle"
            in finished.stdout
        )
        assert not [key for key in counts(variables) if key.startswith("events/")]
    finally:
        run(variables, pause.format("false"))


def test_a_file_that_is_not_in_the_bucket_is_said_to_be_so(variables, landing):
    [key, *_] = [key for key in wanted(landing) if key.startswith("events/")]
    (landing / key).unlink()
    finished = command(variables, "load-missing", "--pause=0.1", "--timeout=20")
    assert finished.returncode == 1
    assert f"{key} is in the ledger, but not where the stage looks" in finished.stdout


def test_a_missing_ledger_fails_and_no_export_succeeds(variables, landing):
    for ledger in landing.glob("ledger/*/*/*"):
        lines = [json.loads(line) for line in ledger.read_text().splitlines()]
        old = [line | {"exported_at": "2026-01-13T00:00:00+00:00"} for line in lines]
        ledger.write_text("".join(json.dumps(line) + "\n" for line in old))
    finished = command(variables, "wait-loaded", "--timeout=1")
    assert finished.returncode == 0 and "nothing to wait for" in finished.stdout
    shutil.rmtree(landing / "ledger")
    finished = command(variables, "wait-loaded", "--timeout=1")
    assert finished.returncode == 5 and "has no ledger" in finished.stderr


def test_expected_failures_are_one_sentence(variables):
    for changes, code, words in [
        ({"SNOWFLAKE_ACCOUNT": ""}, 2, "SNOWFLAKE_ACCOUNT is not set"),
        ({"SNOWFLAKE_RAW_DATABASE": "a;drop"}, 2, "SNOWFLAKE_RAW_DATABASE"),
        ({"SNOWFLAKE_PRIVATE_KEY": "no key"}, 2, "SNOWFLAKE_PRIVATE_KEY"),
        ({"LANDING": "gs://bucket"}, 2, "LANDING"),
        ({"SNOWFLAKE_AUTHENTICATOR": "workload_identity"}, 2, "id-token: write"),
    ]:
        finished = command(variables | changes, "wait-loaded", "--timeout=1")
        assert finished.returncode == code, finished.stderr
        assert words in finished.stderr and "Traceback" not in finished.stderr
        assert "no key" not in finished.stderr.replace("no private key", "")


SALT = "0123456789abcdef0123456789abcdef"


def erase(variables: dict[str, str], folder: Path, *arguments: str, **ids: str) -> str:
    """Erase from the landing; returns what was said."""
    finished = subprocess.run(
        [sys.executable, "-m", "ingest.erase", "--confirm", *arguments],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "LANDING": variables["LANDING"]}
        | {"ERASURE_SALT": SALT}
        | ids,
        capture_output=True,
        text=True,
    )
    # 1: no event has the id.
    assert finished.returncode == ("nothing found" in finished.stdout and not arguments)
    return finished.stdout + finished.stderr


def person_of(landing: Path) -> tuple[str, dict[str, int]]:
    """Who has sent most, and how many rows of each file are of them."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for file in landing.glob("events/*/*/*/*"):
        for line in gzip.decompress(file.read_bytes()).splitlines():
            if user := json.loads(line)["user_id"]:
                rows[user][file.relative_to(landing).as_posix()] += 1
    person = max(rows, key=lambda user: rows[user].total())
    return person, rows[person]


FINISH = ("erase", "--pause=0.1", "--timeout=20")


def test_erased_rows_leave_raw_and_do_not_come_back(variables, landing, tmp_path):
    refresh(variables)
    person, files = person_of(landing)
    before = counts(variables)
    [kept, *_] = before.keys() - files.keys()
    erase(variables, tmp_path, USER_IDS=person)
    # The models must not be built from raw as it is.
    assert counts(variables) == before
    finished = command(variables, *FINISH)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "deleted" in finished.stdout and "Time Travel" in finished.stdout
    after = counts(variables)
    assert not files.keys() & after.keys() and after[kept] == before[kept]
    assert {key: n for key, n in after.items() if key in wanted(landing)} == wanted(
        landing
    )
    left = run(
        variables,
        "select count(*) from raw.amplitude.events where contains(raw_line, "
        f"'{person}')",
    )
    assert left == [(0,)]
    # Neither by a pipe that looks again, nor by a second run.
    refresh(variables)
    assert command(variables, *FINISH).returncode == 0
    assert command(variables, "load-missing").returncode == 0
    assert counts(variables) == after
    assert person not in finished.stdout + finished.stderr


def test_erased_rows_of_files_that_have_left_the_landing_go_too(
    variables, landing, tmp_path
):
    """LANDING_EXPIRE_DAYS deletes files whose rows stay in raw."""
    refresh(variables)
    person, files = person_of(landing)
    for key in files:
        (landing / key).unlink()
    before = counts(variables)
    assert "nothing found" in erase(variables, tmp_path, USER_IDS=person)
    erase(variables, tmp_path, "--anyway", USER_IDS=person)
    finished = command(variables | {"ERASURE_SALT": SALT}, *FINISH)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    after = counts(variables)
    gone = {key: before[key] - after[key] for key in before if key in after}
    assert {key: n for key, n in gone.items() if n} == dict(files)
    # The ledger expects no more than what is left.
    assert {key: n for key, n in after.items() if key in wanted(landing)} == wanted(
        landing
    )
    again = command(variables | {"ERASURE_SALT": SALT}, *FINISH)
    assert again.returncode == 0 and counts(variables) == after


def test_nothing_is_deleted_while_a_file_waits_in_the_pipe(
    variables, landing, tmp_path, monkeypatch
):
    refresh(variables)
    before = counts(variables)
    erase(variables, tmp_path, USER_IDS=person_of(landing)[0])
    monkeypatch.setattr(Session, "pipe_status", lambda *_: {"pendingFileCount": 1})
    finished = command(variables, "erase", "--pause=0.1", "--timeout=0.2")
    assert finished.returncode == 3 and "run make erase again" in finished.stderr
    assert counts(variables) == before


# What is read of SNOWFLAKE.ACCOUNT_USAGE: of this week, last week, long ago and others.
USAGE = """
create table {0}.warehouse_metering_history as select * from values
    (sysdate(), 'TRANSFORMING', 1.5), (sysdate(), 'TRANSFORMING', 0.25),
    (dateadd('day', -7, sysdate()), 'DEVELOPING', 2),
    (dateadd('day', -90, sysdate()), 'TRANSFORMING', 50), (sysdate(), 'OTHERS', 90)
    as t (start_time, warehouse_name, credits_used);
create table {0}.pipe_usage_history as select * from values
    (sysdate(), 'RAW.AMPLITUDE.EVENT_LINES_PIPE', 0.125), (sysdate(), 'OTHERS', 90)
    as t (start_time, pipe_name, credits_used);
create table {0}.automatic_clustering_history as select * from values
    (sysdate(), 'ANALYTICS', 'AMPLITUDE__EVENTS', 0.5), (sysdate(), 'OTHERS', 'A', 90)
    as t (start_time, database_name, table_name, credits_used);
create table {0}.query_history as select * from values
    (sysdate(), 'dbt_amplitude_warehouse', 1500),
    (sysdate(), 'dbt_amplitude_warehouse', 500), (sysdate(), 'others', 90)
    as t (start_time, query_tag, execution_time)
"""


def test_cost_shows_the_last_weeks(variables):
    refused = command(variables, "cost")
    assert refused.returncode == 3 and "does not exist" in refused.stderr
    names = ["create database snowflake", "create schema snowflake.account_usage"]
    tables = USAGE.format("snowflake.account_usage").split(";")
    run(variables, *names, *tables)
    shown = command(variables, "cost")
    assert shown.returncode == 0, shown.stderr
    last, this = re.split(r"\n(?=week)", shown.stdout)
    assert "2.00 credits" in last and "2.00  warehouse developing" in last
    assert this.splitlines()[1:] == [
        "      1.75  warehouse transforming",
        "      0.12  pipe event_lines_pipe",
        "      0.50  clustering amplitude__events",
        "         2  statements of dbt_amplitude_warehouse, 2 s",
    ]
    assert "2.38 credits" in this.splitlines()[0]
    one = command(variables, "cost", "--weeks", "1")
    assert one.stdout == this
