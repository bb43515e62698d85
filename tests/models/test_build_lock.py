"""On Snowflake one build runs at a time, even if processes stop or die."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from histories import land
from warehouses import DBT_COMMAND, REPOSITORY, Warehouse, emulator, open_snowflake

from sandbox.snowflake import connect
from sandbox.snowflake.statements import faults

pytestmark = pytest.mark.xdist_group("build lock")

LOCK = "amplitude_staging.build_lock"
WITHOUT_TESTS = ("--exclude-resource-type", "test", "unit_test")
STAGING = (*WITHOUT_TESTS, "--select", "path:models/staging", "resource_type:seed")
SMALL = (*WITHOUT_TESTS, "--select", "base_amplitude__ledger_lines")
MADE = " OK created "


@pytest.fixture(scope="module")
def on_emulator(loads, tmp_path_factory) -> Iterator[Warehouse]:
    """A few histories on the emulator; the staging models are built."""
    folder = tmp_path_factory.mktemp("lock")
    land(folder / "landing", loads[0][:3])
    with emulator(folder / "landing") as variables:
        variables["DBT_THREADS"] = "1"
        warehouse = open_snowflake(folder / "landing", folder, variables)
        warehouse.dbt("build", *STAGING)
        yield warehouse


@pytest.fixture
def other(on_emulator: Warehouse, tmp_path: Path) -> Warehouse:
    """The same warehouse, with other folders for what dbt writes."""
    return open_snowflake(on_emulator.landing, tmp_path, on_emulator.settings)


@contextmanager
def running(warehouse: Warehouse, *arguments: str) -> Iterator[subprocess.Popen]:
    """A command of dbt, while it runs."""
    with subprocess.Popen(
        [DBT_COMMAND, "--no-use-colors", *arguments],
        cwd=REPOSITORY,
        env=os.environ | warehouse.environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen, text: str) -> None:
    assert process.stdout
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"dbt ended without {text!r}")


def rest_of(process: subprocess.Popen) -> tuple[int, str]:
    """The exit code of a process that is left to end, and what it still printed."""
    process.send_signal(signal.SIGCONT)
    printed, _ = process.communicate(timeout=300)
    return process.returncode, printed


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)


def holder(warehouse: Warehouse) -> Any:
    return warehouse.value(f"select build from {LOCK}")


def end_lease(warehouse: Warehouse) -> None:
    """As if the minutes of the lease had passed."""
    warehouse.ask(f"update {LOCK} set expires_at = dateadd('second', -1, sysdate())")


def refused(warehouse: Warehouse, *arguments: str) -> str:
    """What a build prints that may not start."""
    with pytest.raises(AssertionError) as error:
        warehouse.dbt("build", *SMALL, *arguments)
    printed = str(error.value)
    assert "Another build of amplitude is running" in printed
    assert MADE not in printed
    return printed


def test_a_build_that_slept_does_not_start_beside_another(on_emulator, other):
    with running(on_emulator, "build", *SMALL) as sleeper:
        read_until(sleeper, "Running with dbt")
        stop(sleeper)
        with running(other, "build", "--full-refresh", *STAGING) as builder:
            read_until(builder, MADE)
            stop(builder)
            code, printed = rest_of(sleeper)
            assert code != 0 and MADE not in printed
            assert "Another build of amplitude is running" in printed
            assert "override_build_lock: true" in " ".join(printed.split())
            code, printed = rest_of(builder)
            assert code == 0, printed
    assert holder(on_emulator) is None


def test_a_killed_build_holds_the_lock_until_its_lease_ends(on_emulator, other):
    lease = ("--vars", "{build_lock_minutes: 60}")
    with running(on_emulator, "build", "--full-refresh", *STAGING, *lease) as killed:
        read_until(killed, MADE)
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    assert holder(on_emulator) is not None
    left = f"select datediff('minute', sysdate(), expires_at) from {LOCK}"
    assert 0 < on_emulator.value(left) <= 60
    refused(other)
    end_lease(on_emulator)
    other.dbt("build", *SMALL)
    assert holder(on_emulator) is None


def test_a_build_that_lost_its_lock_stops_and_records_nothing(on_emulator, other):
    # A build asks whether it still has its lock after a quarter of the lease.
    lease = ("--vars", "{build_lock_minutes: 0.05}")
    with running(on_emulator, "build", "--full-refresh", *STAGING, *lease) as loser:
        read_until(loser, MADE)
        stop(loser)
        while on_emulator.value(f"select expires_at >= sysdate() from {LOCK}"):
            time.sleep(0.1)
        other.dbt("build", *STAGING)
        records = "select * from amplitude_staging.model_batches order by model"
        recorded = on_emulator.rows(records)
        code, printed = rest_of(loser)
    assert code != 0
    assert "This build has lost the build lock of amplitude" in printed
    # One model may have been on its way when the process was stopped.
    assert printed.count(MADE) <= 1
    assert on_emulator.rows(records) == recorded
    assert holder(on_emulator) is None


def test_a_lock_can_be_overridden(on_emulator):
    on_emulator.ask(
        f"update {LOCK} set build = 'other',"
        " expires_at = dateadd('minute', 60, sysdate())"
    )
    refused(on_emulator)
    assert holder(on_emulator) == "other"
    on_emulator.dbt("build", *SMALL, "--vars", "{override_build_lock: true}")
    assert holder(on_emulator) is None


@pytest.mark.parametrize("command", ["run", "build", "seed"])
def test_each_command_that_builds_takes_the_lock_and_releases_it(on_emulator, command):
    before = on_emulator.value(f"select change_count from {LOCK}")
    what = "traffic_rules" if command == "seed" else SMALL[-1]
    on_emulator.dbt(command, "--select", what)
    # Taken and released.
    assert on_emulator.value(f"select change_count from {LOCK}") == before + 2
    assert holder(on_emulator) is None


def test_a_command_that_writes_no_model_takes_no_lock(on_emulator):
    before = on_emulator.value(f"select change_count from {LOCK}")
    on_emulator.dbt("compile", *SMALL[-2:])
    assert on_emulator.value(f"select change_count from {LOCK}") == before


def test_a_build_that_fails_releases_the_lock(on_emulator):
    faults.append(re.compile(r"create\b.*base_amplitude__ledger_lines", re.S))
    with pytest.raises(AssertionError, match="aborted by a fault of the test"):
        on_emulator.dbt("build", "--full-refresh", *SMALL)
    assert not faults
    assert holder(on_emulator) is None


def test_a_build_that_refuses_to_rebuild_releases_the_lock(on_emulator, other):
    """It stops after it has taken the lock."""
    choice = "{rebuild_changed_models: false, projects: ['100']}"
    with pytest.raises(AssertionError, match="have to be rebuilt"):
        other.dbt("build", *STAGING, "--vars", choice)
    assert holder(on_emulator) is None


def test_of_many_that_take_an_ended_lease_at_once_one_wins(on_emulator):
    log = (on_emulator.folder / "logs/dbt.log").read_text()
    taken = re.findall(
        r"execute immediate \$\$(?:(?!\$\$).)*began_at.*?\$\$", log, re.S
    )
    invocation = re.search(r"build = '([^']+)'", taken[-1])[1]
    on_emulator.ask(f"update {LOCK} set build = 'dead', expires_at = sysdate()")

    def take(build: str) -> bool:
        with connect(on_emulator.settings) as connection:
            cursor = connection.cursor()
            cursor.execute("use database analytics")
            cursor.execute(taken[-1].replace(invocation, build))
            cursor.execute(f"select build from {LOCK}")
            return cursor.fetchone() == (build,)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(take, "abcdefgh"))
    assert sum(won) == 1
    on_emulator.ask(f"update {LOCK} set build = null")
