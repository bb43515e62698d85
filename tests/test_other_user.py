"""The ingest as a user that is not root, in a folder that is its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
NOBODY = 65534
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can be another"
)


@pytest.fixture
def home(tmp_path_factory) -> Path:
    """A folder of that user's, which it can reach."""
    home = tmp_path_factory.mktemp("home")
    for parent in [home, *home.parents][:-2]:
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o011)
    os.chown(home, NOBODY, NOBODY)
    return home


def ingest(home: Path, environment: dict[str, str], **settings: str):
    """Run it as that user, who may read anything, as the interpreter may be root's."""
    days = ("--start", "2026-01-14", "--end", "2026-01-14T03")
    may_read = (f"--{which}-caps=+dac_read_search" for which in ("inh", "ambient"))
    user = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return subprocess.run(
        ["setpriv", *user, *may_read, sys.executable, "-m", "ingest", *days],
        cwd=home,
        env=environment | {"HOME": str(home)} | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_landed_files_are_readable_by_their_owner_only(home, ingest_environment):
    run = ingest(home, ingest_environment, LANDING="landing")
    assert run.returncode == 0, run.stderr
    files = [path for path in home.rglob("*") if path.is_file()]
    assert list(home.glob("landing/events/*/*/*/*.json.gz"))
    for path in files:
        assert path.stat().st_uid == NOBODY and not path.stat().st_mode & 0o077


def test_a_landing_it_cannot_write_is_named(home, ingest_environment, tmp_path):
    landing = tmp_path / "landing"
    landing.mkdir(mode=0o755)
    run = ingest(home, ingest_environment, LANDING=str(landing))
    assert run.returncode == 5, run.stderr
    assert f"the landing folder {landing} cannot be used" in run.stderr
    assert "ermission denied" in run.stderr and "Traceback" not in run.stderr


def test_a_folder_for_logs_it_cannot_write_is_named(home, ingest_environment):
    os.chown(home, 0, 0)
    home.chmod(0o755)
    run = ingest(home, ingest_environment, LANDING="landing")
    assert run.returncode == 2, run.stderr
    assert "the log file cannot be written" in run.stderr
    assert "Traceback" not in run.stderr
