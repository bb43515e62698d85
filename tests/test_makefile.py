"""What make itself does with settings, which may come from `.env`."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from report import documentation

REPOSITORY = Path(__file__).parents[1]
MAKEFILE = (REPOSITORY / "Makefile").read_text()
SETTINGS = re.findall(
    r"^(?:# )?([A-Z][A-Z0-9_]+)=", (REPOSITORY / ".env.example").read_text(), re.M
)
EXPANDED_WITHOUT_ENV_FILE = {
    # Of a pull request's build, which .env says nothing about.
    "env TARGET=$(or $(TARGET),snowflake_ci)",
    # Which packages are needed; .env is read beside it.
    "ON_SNOWFLAKE := $(filter snowflake%,$(TARGET))$(SNOWFLAKE_ACCOUNT)$(shell \\",
    # Whether there are settings at all.
    "OWN := $(wildcard .env data/landing data/warehouse.duckdb)"
    "$(AMP_API_KEY)$(LANDING)$(WAREHOUSE)",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """This repository in another folder, for an `.env` of its own."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for path in REPOSITORY.iterdir():
        if path.name not in (".env", ".git", "data", "logs"):
            (checkout / path.name).symlink_to(path)
    return checkout


def make(checkout: Path, *arguments: str, **environment: str) -> str:
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    ).stdout


def test_the_emulator_loads_the_landing_of_the_env_file(checkout):
    (checkout / ".env").write_text("LANDING=from/env_file\n")
    assert "No landing at from/env_file" in make(checkout, "emulate")
    assert "No landing at other" in make(checkout, "emulate", LANDING="other")
    assert "No landing at other" in make(checkout, "emulate", "LANDING=other")
    (checkout / ".env").write_text("LANDING=s3://bucket/prefix\n")
    assert "not s3://bucket/prefix: set LANDING to a copy" in make(checkout, "emulate")
    (checkout / ".env").unlink()
    assert "No landing at data/landing" in make(checkout, "emulate")


def test_workload_identity_may_be_set_in_the_env_file(checkout):
    name = "SNOWFLAKE_AUTHENTICATOR"
    assert "with_token" not in make(checkout, "-n", "dbt-build")
    (checkout / ".env").write_text(f"{name}=workload_identity\n")
    assert "with_token" in make(checkout, "-n", "dbt-build")
    given = make(checkout, "-n", "dbt-build", **{name: "externalbrowser"})
    assert "with_token" not in given


def test_no_recipe_expands_a_setting_before_the_env_file_is_read():
    assert {"LANDING", "TARGET", "SNOWFLAKE_AUTHENTICATOR"} <= set(SETTINGS)
    for line in MAKEFILE.splitlines():
        for expanded in EXPANDED_WITHOUT_ENV_FILE:
            line = line.replace(expanded, "")
        used = re.findall(r"\$\$\{?(\w+)|\$[({](?:or \$\()?(\w+)", line)
        names = {name for pair in used for name in pair}
        assert not names & set(SETTINGS), line


def test_builds_run_data_tests_and_no_unit_tests(checkout):
    for target in ("dbt-build", "pipeline"):
        build = [
            line
            for line in make(checkout, "-n", target).splitlines()
            if re.search(r"\brunner build\b", line)
        ]
        assert build, target
        assert all("--exclude-resource-type unit_test" in line for line in build)
        # DuckDB's file and dbt's logs can be read by their owner only.
        assert all(line.startswith("umask 077; ") for line in build)
    assert "runner test --resource-type unit_test" in make(checkout, "-n", "unit-test")


def test_the_documentation_holds_no_path_and_no_internal_user(tmp_path, monkeypatch):
    """dbt writes the compiled SQL into its page, and where it has compiled it."""
    (tmp_path / "dbt/seeds").mkdir(parents=True)
    (tmp_path / "dbt/seeds/traffic_rules.csv").write_text(
        "kind,field,pattern,reason\nbot,os_name,%bot%,says so\n"
        "internal,amplitude_user_id,o'anna@acme.example,of the team\n"
    )
    (tmp_path / "settings.yml").write_text(
        "traffic_rules:\n"
        "  - {kind: internal, field: amplitude_user_id, pattern: bo@acme.example}\n"
    )
    monkeypatch.chdir(tmp_path)
    landing = tmp_path / "it's [1]"
    monkeypatch.setenv("LANDING", str(landing))
    monkeypatch.setenv("DBT_TARGET_PATH", f"{tmp_path}/target")
    monkeypatch.setenv("DBT_PROJECT_DIR", "dbt")
    monkeypatch.setenv("SETTINGS", "settings.yml")
    sql = str(landing).replace("'", "''")
    paths = [f"{tmp_path}/target/a.sql", f"{sql}/events", f"{Path.home()}/x", "a/b.sql"]
    ids = ["o''anna@acme.example", "bo@acme.example"]
    code = " or ".join(f"amplitude_user_id ilike '{one}'" for one in ids)
    page = {"paths": paths, "é": 1, "code": f"os_name ilike '%bot%' or {code}"}
    page["doc"] = {"name": "__amplitude_warehouse__"}
    shown = json.loads(documentation.for_readers(json.dumps(page)))
    assert shown["paths"] == ["target/a.sql", "landing/events", "~/x", "a/b.sql"]
    internal = "amplitude_user_id ilike '(internal)'"
    assert shown["doc"] == {"name": "__overview__"}
    assert shown["code"] == f"os_name ilike '%bot%' or {internal} or {internal}"
