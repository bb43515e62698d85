"""What the tests share: the sandbox's services, and the ways in."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.amplitude.export_api import ExportApi, serve

REPOSITORY = Path(__file__).parents[1]

# Tests say themselves what they run with: nothing of the developer's own, nothing that
# `make test` was given.
OF_OTHERS = (
    "AMP_",
    "AWS_",
    "DBT_",
    "PYTHON",
    "SNOWFLAKE_",
    "GITHUB_",
    "ERASURE_",
    "MAKE",
    "MFLAGS",
    "ARGS",
    "START",
    "END",
    "LANDING",
    "DATA",
    "TARGET",
    "WAREHOUSE",
    "DOCS",
    "REPORT",
    "SITE",
)
for name in [name for name in os.environ if name.startswith(OF_OTHERS)]:
    del os.environ[name]
# Not settings.yml and dbt/own of this checkout.
os.environ |= {"SETTINGS": "none", "DBT_OWN": "none"}

Ingest = Callable[..., subprocess.CompletedProcess[str]]


# A process that began one of these last would work alone at the end.
LONG_GROUPS = ("failed statements", "settings on snowflake", "verify account")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a group together without xdist too, which gives a process one
    group after the other: fixtures of one group must not overlap with another's."""
    first = {name: number - len(LONG_GROUPS) for number, name in enumerate(LONG_GROUPS)}

    def place(numbered: tuple[int, pytest.Item]) -> int:
        number, item = numbered
        # The nearest one counts, as for xdist.
        group = item.get_closest_marker("xdist_group")
        return first.setdefault(group.args[0], number) if group else number

    items[:] = [item for _, item in sorted(enumerate(items), key=place)]


@pytest.fixture
def api() -> Iterator[ExportApi]:
    """The local Export API over the sample export."""
    with serve() as api:
        yield api


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "landing"


@pytest.fixture
def ingest_environment(api: ExportApi, landing: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of `python -m ingest`."""
    settings = {
        "PYTHONPATH": str(REPOSITORY),
        "LANDING": str(landing),
        "AMP_BACKOFF_SECONDS": "0.01",
    }
    return os.environ | api.environment | settings


@pytest.fixture
def ingest(ingest_environment: dict[str, str], tmp_path: Path) -> Ingest:
    """Run `python -m ingest` in a folder of its own."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ingest", *arguments],
            cwd=tmp_path,
            env=ingest_environment | settings,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
