"""What the tests share: the sandbox's services, and the ways in."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.export_api import ExportApi, serve

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
    "TARGET",
    "WAREHOUSE",
    "DOCS",
    "REPORT",
    "SITE",
)
for name in [name for name in os.environ if name.startswith(OF_OTHERS)]:
    del os.environ[name]

Ingest = Callable[..., subprocess.CompletedProcess[str]]


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
    """Everything `python -m ingest` is told."""
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
