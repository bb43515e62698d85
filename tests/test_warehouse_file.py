"""DuckDB's file: one build at a time, and a sentence if it cannot be used."""

import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

REPOSITORY = Path(__file__).parents[1]
ALONE = [sys.executable, "-m", "sandbox.with_warehouse", "--"]
WAIT = "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(30)"


def alone(folder: Path, *command: str, **settings: str) -> subprocess.CompletedProcess:
    """Run a command as make runs dbt."""
    return subprocess.run(
        [*ALONE, *command],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(REPOSITORY), "WAREHOUSE": "data/w.duckdb"}
        | settings,
        capture_output=True,
        text=True,
        timeout=60,
    )


def made(folder: Path) -> Path:
    path = folder / "data/w.duckdb"
    path.parent.mkdir()
    with duckdb.connect(path) as connection:
        connection.execute("create table kept as select 42 as answer")
    return path


def test_two_builds_at_once(tmp_path):
    """The second is refused, the first goes on; after a kill the file is free."""
    made(tmp_path)
    first = subprocess.Popen(
        [*ALONE, sys.executable, "-c", WAIT],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "WAREHOUSE": "data/w.duckdb"},
    )
    while not (tmp_path / "begun").exists():
        assert first.poll() is None
        time.sleep(0.02)
    second = alone(tmp_path, "true")
    assert (second.returncode, second.stderr) == (
        1,
        "warehouse: another build is using data/w.duckdb: wait until it has ended, then"
        " start again\n",
    )
    assert alone(tmp_path, "true", WAREHOUSE="data/other.duckdb").returncode == 0
    assert alone(tmp_path, "true", TARGET="snowflake").returncode == 0
    assert first.poll() is None
    first.terminate()
    first.wait()
    assert alone(tmp_path, "true").returncode == 0


def test_the_commands_code_is_given(tmp_path):
    assert alone(tmp_path, "sh", "-c", "exit 7").returncode == 7
    assert alone(tmp_path, "true", WAREHOUSE=":memory:").returncode == 0


def test_a_program_that_has_it_open_is_named(tmp_path):
    with duckdb.connect(made(tmp_path)):
        refused = alone(tmp_path, "true")
    assert refused.returncode == 1
    assert f"process {os.getpid()} has it open" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"text", lambda data: b"\0" * len(data), lambda data: data[:5000]],
)
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path, damage):
    path = made(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    refused = alone(tmp_path, "touch", "ran")
    assert refused.returncode == 1
    assert refused.stderr.startswith("warehouse: data/w.duckdb cannot be opened: the")
    assert "mv data/w.duckdb data/w.duckdb.damaged" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert path.read_bytes() == before and not (tmp_path / "ran").exists()


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "data").touch()
    refused = alone(tmp_path, "true")
    assert refused.returncode == 1
    assert "data cannot be written to" in refused.stderr
    assert "Traceback" not in refused.stderr
