"""On Snowflake one build runs at a time, and a killed build does not hold the others up
for long. Run with real processes of dbt on the emulator."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import islice

import pytest
from warehouses import DBT_COMMAND, REPOSITORY, Warehouse, land, open_snowflake

from sandbox.export_api import EXPORT_DIR
from sandbox.snowflake import emulator

pytestmark = pytest.mark.xdist_group("build lock")

MODELS = ("--select", "stg_amplitude__landed_files+1", "+stg_amplitude__landed_files")
HOLDER = "select holder from amplitude_staging.build_lock"


@pytest.fixture
def warehouse(tmp_path) -> Iterator[Warehouse]:
    land(EXPORT_DIR, tmp_path / "landing", "START=2026-01-12", "END=2026-01-12")
    with emulator(tmp_path / "landing") as variables:
        yield open_snowflake(tmp_path / "landing", tmp_path, variables)


def start(warehouse: Warehouse, name: str, **variables: object) -> subprocess.Popen:
    """A build in the background, with a target folder of its own."""
    command = [DBT_COMMAND, "--no-use-colors", "build", *MODELS]
    command += ["--exclude-resource-type", "test", "unit_test"]
    paths = {"DBT_TARGET_PATH": str(warehouse.folder / name), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [*command, "--vars", json.dumps(variables)],
        cwd=REPOSITORY,
        env=os.environ | warehouse.environment() | paths,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stop_after_models(build: subprocess.Popen, number: int) -> None:
    for _ in islice((line for line in build.stdout if " OK " in line), number):
        pass
    build.send_signal(signal.SIGSTOP)


def finish(build: subprocess.Popen) -> tuple[int, str]:
    build.send_signal(signal.SIGCONT)
    output, _ = build.communicate(timeout=120)
    return build.returncode, output


def test_a_build_that_parsed_longer_does_not_run_beside_another(warehouse):
    slow = start(warehouse, "slow")
    time.sleep(2)
    slow.send_signal(signal.SIGSTOP)
    assert not warehouse.rows(
        "select 1 from information_schema.tables where lower(table_name) = 'build_lock'"
    )
    first = start(warehouse, "first")
    stop_after_models(first, 5)
    code, output = finish(slow)
    assert code != 0
    assert "Another build of amplitude is running" in output
    assert "override_build_lock: true" in output
    code, output = finish(first)
    assert code == 0, output
    assert warehouse.value(HOLDER) is None


def test_a_killed_build_holds_its_lock_until_the_lease_ends(warehouse):
    killed = start(warehouse, "killed")
    stop_after_models(killed, 5)
    killed.kill()
    killed.communicate()
    holder = warehouse.value(HOLDER)
    assert holder
    code, output = finish(start(warehouse, "refused"))
    assert code != 0
    assert "Another build of amplitude is running" in output
    # A refused build leaves the lock as it is.
    assert warehouse.value(HOLDER) == holder
    code, output = finish(start(warehouse, "later", build_lock_minutes=0.05))
    assert code == 0, output
    assert warehouse.value(HOLDER) is None


def test_a_build_that_lost_its_lock_stops(warehouse):
    """It slept for longer than its lease, and another build ran."""
    asleep = start(warehouse, "asleep", build_lock_minutes=0.05)
    stop_after_models(asleep, 5)
    time.sleep(3.5)
    code, output = finish(start(warehouse, "other", build_lock_minutes=0.05))
    assert code == 0, output
    code, output = finish(asleep)
    assert code != 0
    assert "This build has lost its lock to another build of amplitude" in output
    assert warehouse.value(HOLDER) is None


def test_the_lock_can_be_overridden(warehouse):
    first = start(warehouse, "first")
    stop_after_models(first, 5)
    first.kill()
    first.communicate()
    code, output = finish(start(warehouse, "other", override_build_lock=True))
    assert code == 0, output
    assert warehouse.value(HOLDER) is None
    # A build that stops before it has begun does not hold it either.
    changed = {"too_large_hours_accepted": ["7/2026-01-31 05:00:00"]}
    stopped = start(warehouse, "stopped", rebuild_changed_models=False, **changed)
    code, output = finish(stopped)
    assert code != 0
    assert "stg_amplitude__upload_hours (the variable too_large_hours" in output
    assert warehouse.value(HOLDER) is None
