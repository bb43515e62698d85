"""make doctor on this machine alone: DuckDB, a folder, and no account."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from doctor.__main__ import checks, needs_cloud
from snowflake_setup.settings import CloudSettings

OFFLINE = {
    "PYTHONPATH": str(Path(__file__).parents[1]),
    "AMP_EXPORT_URL": "http://127.0.0.1:9/api/2/export",
}


@pytest.fixture
def examine(tmp_path):
    """Run the doctor in a folder of its own; returns its words by link."""

    def run(**settings: str) -> dict[str, str]:
        finished = subprocess.run(
            [sys.executable, "-m", "doctor"],
            cwd=tmp_path,
            env=os.environ | OFFLINE | settings,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert "Traceback" not in finished.stdout + finished.stderr
        assert "unexpected" not in finished.stdout, finished.stdout
        found: dict[str, str] = {"": finished.stdout}
        for line in finished.stdout.splitlines():
            word, _, rest = line.partition("  ")
            link, _, message = rest.strip().partition(": ")
            if word in ("OK", "SKIP", "FAIL"):
                found[link] = f"{word} {message}"
            elif line.strip().startswith("fix: "):
                found[next(reversed(found))] += f" | {line.strip()}"
        failed = any(words.startswith("FAIL") for words in found.values())
        assert finished.returncode == int(failed), finished.stdout
        return found

    return run


def test_nothing_is_wrong_on_a_fresh_machine(examine, tmp_path):
    found = examine()
    assert not [words for words in found.values() if words.startswith("FAIL")]
    assert "no AWS and no Snowflake account" in found[""]
    assert found["variables and models"] == "OK the defaults"
    assert found["ledger"].startswith("SKIP nothing has landed yet")
    assert [path.name for path in tmp_path.iterdir()] == []


def test_what_landed_is_found(examine, ingest, api, landing):
    ingest("--start", "2026-01-13T01", "--end", "2026-01-13T02")
    found = examine(**api.environment, LANDING=str(landing))
    assert found["Amplitude"].startswith("OK the keys are accepted")
    assert found["ledger"].startswith("FAIL the newest upload hour that has landed is")
    assert found["ledger"].endswith("fix: make ingest")
    # Without keys nothing can land, so that an old ledger is as new as it can be.
    assert examine(LANDING=str(landing))["ledger"] == (
        "OK 2 upload hours, the newest 2026-01-13 02:00 UTC"
    )


def test_faults_are_named_with_what_fixes_them(examine, api, tmp_path):
    settings = tmp_path / "settings.yml"
    settings.write_text("reporting_timezome: UTC\n")
    (tmp_path / "landing").touch()
    with duckdb.connect(tmp_path / "w.duckdb"):
        found = examine(
            **api.environment | {"AMP_SECRET_KEY": "s3cr3t"},
            SETTINGS=str(settings),
            LANDING="landing/inside",
            WAREHOUSE="w.duckdb",
        )
    assert (
        found["Amplitude"].startswith("FAIL")
        and "fix: set AMP_API_KEY" in (found["Amplitude"])
    )
    assert "landing is not writable" in found["landing"]
    assert f"process {os.getpid()} has it open" in found["warehouse"]
    assert "nearest known name is reporting_timezone" in found["variables and models"]
    assert "s3cr3t" not in found[""]
    settings.write_text("a: 1\na: 2\n")
    assert (
        "line 2 is not valid YAML: a is set twice"
        in (examine(SETTINGS=str(settings))["variables and models"])
    )


@pytest.mark.parametrize(
    "given, is_cloud",
    [
        ({}, False),
        ({"TARGET": "duckdb", "LANDING": "data/landing"}, False),
        ({"TARGET": "snowflake"}, True),
        ({"SNOWFLAKE_ACCOUNT": "a"}, True),
        ({"SNOWFLAKE_USER": "u", "LANDING": "s3://bucket"}, True),
    ],
)
def test_an_account_means_the_cloud(given, is_cloud):
    settings = CloudSettings.read(given)
    assert needs_cloud(settings) is is_cloud
    assert ("stage" in checks(settings)) is is_cloud
