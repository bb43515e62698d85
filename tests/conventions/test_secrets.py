"""Keys and data stay outside git, whatever a developer does by the README."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
SECRET_OR_DATA = [
    ".env",
    ".env.local",
    ".env.prod",
    ".envrc",
    "amplitude_ci.p8",
    "dbt/key.pem",
    "sandbox/tls.key",
    "warehouse.duckdb",
    "data/x.json",
    "dbt/warehouse.duckdb.wal",
    "logs/x.log",
    "dbt/logs/dbt.log",
]


def is_ignored(name: str) -> bool:
    command = ["git", "check-ignore", "--quiet", "--no-index", name]
    return subprocess.run(command, cwd=REPOSITORY).returncode == 0


def test_git_ignores_keys_and_data():
    assert [name for name in SECRET_OR_DATA if not is_ignored(name)] == []
    assert not is_ignored(".env.example")


def test_git_ignores_no_file_that_it_has():
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    ignored = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    assert not ignored.stdout.decode()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_the_commands_of_the_set_up_write_no_key_into_the_checkout(tmp_path):
    text = (REPOSITORY / "docs/set-up-cloud.md").read_text()
    [block] = [
        b for b in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "genrsa" in b
    ]
    home, checkout = tmp_path / "home", tmp_path / "checkout"
    home.mkdir()
    checkout.mkdir()
    environment = os.environ | {"HOME": str(home)}
    subprocess.run(
        ["bash", "-c", block],
        cwd=checkout,
        env=environment,
        capture_output=True,
        check=True,
    )
    assert not list(checkout.iterdir())
    key = home / ".amplitude_warehouse/amplitude_ci.p8"
    assert "PRIVATE KEY" in key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_artifacts_are_uploaded_from_private_repositories_only():
    """Every signed-in person can download the artifacts of a public repository."""
    for path in (REPOSITORY / ".github/workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text())["jobs"]
        for step in [step for job in jobs.values() for step in job["steps"]]:
            if step.get("uses", "").startswith("actions/upload-artifact@"):
                assert "github.event.repository.private == true" in step["if"]
                assert "vars.UPLOAD_ARTIFACTS == 'true'" in step["if"]
