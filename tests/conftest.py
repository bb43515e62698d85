"""What the tests share: the sandbox's services, and the ways in."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.export_api import ExportApi, serve

REPOSITORY = Path(__file__).parents[1]

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
    """Everything `python -m ingest` is told, and nothing of the developer's own."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AMP_", "AWS_", "LANDING"))
    }
    settings = {
        "PYTHONPATH": str(REPOSITORY),
        "LANDING": str(landing),
        "AMP_BACKOFF_SECONDS": "0.01",
    }
    return ours | api.environment | settings


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
