"""dbt as make runs it: settings.yml, one build at a time on DuckDB's file, queries."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

REPOSITORY = Path(__file__).parents[1]
RUNNER = [sys.executable, "-m", "runner"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a dbt that writes down its arguments, and waits if they say so."""
    program = tmp_path / "bin/dbt"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, sys, time\n"
        "pathlib.Path('arguments').write_text(json.dumps(sys.argv[1:]))\n"
        "time.sleep(30 if 'wait' in sys.argv else 0)\n"
        "sys.exit(7 if 'fail' in sys.argv else 0)\n"
    )
    program.chmod(0o755)
    return tmp_path


def environment(folder: Path, **settings: str) -> dict[str, str]:
    paths = {
        "PYTHONPATH": str(REPOSITORY),
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "WAREHOUSE": "data/w.duckdb",
        "SETTINGS": "settings.yml",
    }
    return os.environ | paths | settings


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
    """Run dbt as make does."""
    return subprocess.run(
        [*RUNNER, *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=60,
    )


def arguments(folder: Path) -> list[str]:
    return json.loads((folder / "arguments").read_text())


def made(folder: Path) -> Path:
    path = folder / "data/w.duckdb"
    path.parent.mkdir()
    with duckdb.connect(path) as connection:
        connection.execute("create table kept as select 42 as answer")
    return path


def test_two_builds_at_once(folder):
    """The second is refused, the first goes on; after a kill the file is free."""
    made(folder)
    first = subprocess.Popen(
        [*RUNNER, "wait"], cwd=folder, env=environment(folder), start_new_session=True
    )
    while not (folder / "arguments").exists():
        assert first.poll() is None
        time.sleep(0.02)
    second = run(folder, "build")
    assert (second.returncode, second.stderr) == (
        1,
        "warehouse: another build is using data/w.duckdb: wait until it has ended, then"
        " start again\n",
    )
    assert run(folder, "build", WAREHOUSE="data/other.duckdb").returncode == 0
    assert run(folder, "build", TARGET="snowflake").returncode == 0
    assert first.poll() is None
    first.kill()
    first.wait()
    assert run(folder, "build").returncode == 0


def test_the_exit_code_is_dbts(folder):
    assert run(folder, "fail").returncode == 7
    assert run(folder, "build", WAREHOUSE=":memory:").returncode == 0


def test_a_program_that_has_the_file_open_is_named(folder):
    with duckdb.connect(made(folder)):
        refused = run(folder, "build")
    assert refused.returncode == 1
    assert f"process {os.getpid()} has it open" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"text", lambda data: b"\0" * len(data), lambda data: data[:5000]],
)
def test_a_damaged_file_is_named_and_left_as_it_is(folder, damage):
    path = made(folder)
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    refused = run(folder, "build")
    assert refused.returncode == 1
    assert refused.stderr.startswith("warehouse: data/w.duckdb cannot be opened: the")
    assert "mv data/w.duckdb data/w.duckdb.damaged" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert path.read_bytes() == before and not (folder / "arguments").exists()


def test_a_folder_that_is_a_file_is_named(folder):
    (folder / "data").touch()
    refused = run(folder, "build")
    assert refused.returncode == 1
    assert "data is not writable" in refused.stderr
    assert "Traceback" not in refused.stderr


# --- settings.yml -------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, given, variables",
    [
        ("a: 1", ["build"], {"a": 1}),
        ("a: 1\nb: [x]", ["build", "--vars", "{a: 2}"], {"a": 2, "b": ["x"]}),
        ("a: 1", ["build", "--vars={b: 2}"], {"a": 1, "b": 2}),
        (
            "calendar_starts_on: 2024-01-31",
            ["ls"],
            {"calendar_starts_on": "2024-01-31"},
        ),
        ("a: it's \\ “”", ["--quiet", "docs", "generate"], {"a": "it's \\ “”"}),
    ],
)
def test_settings_become_variables(folder, settings, given, variables):
    (folder / "settings.yml").write_text(settings)
    assert run(folder, *given).returncode == 0
    *command, option, value = arguments(folder)
    assert command == [part for part in given if "vars" not in part and "{" not in part]
    assert (option, json.loads(value)) == ("--vars", variables)


@pytest.mark.parametrize("settings", [None, "", "# nothing yet\n"])
def test_without_settings_dbt_gets_its_arguments_as_they_are(folder, settings):
    if settings is not None:
        (folder / "settings.yml").write_text(settings)
    given = ["build", "--vars", "{a: 2}", "--select", "x y"]
    assert run(folder, *given).returncode == 0
    assert arguments(folder) == given


def test_commands_without_variables_get_none(folder):
    (folder / "settings.yml").write_text("a: 1")
    for given in (["--version"], ["clean"]):
        assert run(folder, *given).returncode == 0
        assert arguments(folder) == given


@pytest.mark.parametrize(
    "settings, problem",
    [
        ("- a", "settings.yml must hold names with values"),
        ("1: a", "settings.yml must hold names with values"),
        (
            "a: 1\nb: 2\na: 3",
            "settings.yml, line 3 is not valid YAML: a is set twice",
        ),
        ("funnels:\n  x: 1\n  x: 2", "line 3 is not valid YAML: x is set twice"),
        ("a: [1", "is not valid YAML"),
        ("a: !!python/object:os.system x", "is not valid YAML"),
        ("a: \x00", "is not valid YAML"),
        (b"a: \xff", "settings.yml cannot be read"),
    ],
)
def test_settings_that_cannot_be_read_are_refused(folder, settings, problem):
    content = settings if isinstance(settings, bytes) else settings.encode()
    (folder / "settings.yml").write_bytes(content)
    refused = run(folder, "build")
    assert refused.returncode == 2
    assert problem in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (folder / "arguments").exists()


# --- make query ---------------------------------------------------------------------


def query(folder: Path, *sql: str, given: str = "", **settings: str):
    return subprocess.run(
        [sys.executable, "-m", "runner.query", *sql],
        cwd=folder,
        env=environment(folder, **settings),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_query_shows_its_rows(folder):
    made(folder)
    one = query(folder, "select answer from kept")
    assert one.returncode == 0 and "42" in one.stdout
    many = query(
        folder, given="select 1 as a;\nselect\n2 as b;select 3 as c;\nselect 4 as d"
    )
    assert many.returncode == 0
    shown = [line.strip("│ ") for line in many.stdout.splitlines()]
    assert [line for line in shown if line.isdigit()] == ["1", "2", "3", "4"]


def test_a_query_changes_nothing_and_fails_in_a_sentence(folder):
    path = made(folder)
    for sql in ("drop table kept", "insert into kept values (1)", "selec 1"):
        refused = query(folder, given=f"{sql};\nselect 7 as x;")
        assert refused.returncode == 1 and "Traceback" not in refused.stderr
        assert refused.stderr.startswith("query: ") and "7" in refused.stdout
    with duckdb.connect(path, read_only=True) as connection:
        assert connection.sql("select * from kept").fetchall() == [(42,)]


def test_a_query_says_what_is_in_its_way(folder):
    missing = query(folder, "select 1")
    assert missing.returncode == 1
    assert "data/w.duckdb does not exist yet: run `make dbt-build`" in missing.stderr
    with duckdb.connect(made(folder)):
        in_use = query(folder, "select 1")
    assert in_use.returncode == 1
    assert f"process {os.getpid()} has it open" in in_use.stderr
    elsewhere = query(folder, "select 1", TARGET="snowflake")
    assert elsewhere.returncode == 2 and "TARGET" in elsewhere.stderr
