"""What is installed is what was reviewed: exact versions, and a hash of every file."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import ingest
from runner import dbt_packages

REPOSITORY = Path(__file__).parents[2]
DBT = REPOSITORY / "dbt"


LOCKS = {
    "duckdb": "requirements.txt",
    "snowflake": "requirements/snowflake.txt",
    "dev": "requirements/dev.txt",
}


@pytest.mark.parametrize("name", [*LOCKS.values(), "requirements/installers.txt"])
def test_every_requirement_is_exact_and_has_hashes(name):
    text = (REPOSITORY / name).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        assert re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line


@pytest.mark.parametrize("name", LOCKS)
def test_everything_that_is_chosen_is_locked(name):
    text = (REPOSITORY / f"requirements/{name}.in").read_text()
    chosen = re.findall(r"^(\w[\w-]*)", text, re.MULTILINE)
    locked = (REPOSITORY / LOCKS[name]).read_text()
    assert chosen
    for package in chosen:
        assert re.search(rf"^{package}(\[\w+\])?==", locked, re.MULTILINE), package


def test_each_set_holds_the_smaller_ones():
    """So that installing one after the other changes no version."""
    duckdb, snowflake, dev = (
        set(re.findall(r"^[\w.-]+==\S+", (REPOSITORY / lock).read_text(), re.MULTILINE))
        for lock in LOCKS.values()
    )
    assert duckdb < snowflake < dev


def test_no_installation_is_without_hashes():
    recipes = (REPOSITORY / "Makefile").read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install [^|\n]*", recipes)
    # Of the installer, by uv, by pip; and one that installs nothing.
    assert len(installs) == 4
    for install in installs:
        assert "--require-hashes" in install or "--dry-run" in install


def test_recipes_need_no_newer_make_or_shell_than_macs_have():
    """GNU make 3.81 ignores .SHELLFLAGS and .ONESHELL, and sh may be any shell."""
    makefile = (REPOSITORY / "Makefile").read_text()
    newer = [
        ".SHELLFLAGS",
        ".ONESHELL",
        "SHELL :",
        "!=",
        "::=",
        "$(file ",
        "[[ ",
        "<<<",
    ]
    assert [word for word in newer if word in makefile] == []
    # Without -e a command before a semicolon may fail unseen.
    for recipe in re.findall(r"^\t(?:.*\\\n)*.*", makefile, re.MULTILINE):
        commands = re.sub(r"\\\n\s*", " ", recipe)
        for command in re.findall(r"\$\(MAKE\) [^;|&]*;", commands):
            assert command.rstrip("; ").endswith(("site", "report")), command


def test_dbts_packages_are_locked_at_one_version(tmp_path):
    """dbt asks no hub for a version while the lock file is that of packages.yml."""
    lock = "package-lock.yml"
    for name in ("dbt_project.yml", "profiles.yml", "packages.yml", lock):
        shutil.copy(DBT / name, tmp_path)
    command = [Path(sys.executable).with_name("dbt"), "--quiet", "deps", "--lock"]
    subprocess.run(
        [*command, "--project-dir", tmp_path, "--profiles-dir", tmp_path],
        cwd=tmp_path,
        check=True,
        timeout=60,
    )
    assert (tmp_path / lock).read_text() == (DBT / lock).read_text()
    for package in yaml.safe_load((DBT / lock).read_text())["packages"]:
        assert re.fullmatch(r"[0-9.]+", package["version"])


def test_a_package_that_was_not_reviewed_is_replaced(tmp_path, monkeypatch, capsys):
    package = tmp_path / "dbt_packages/dbt_utils"

    def install() -> bool:
        shutil.copytree(REPOSITORY / dbt_packages.STAND_IN, package)
        (package / "macros/from_the_hub.sql").touch()
        return True

    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "argv", ["dbt_packages"])
    monkeypatch.setattr(dbt_packages, "INSTALLED", package.parent)
    monkeypatch.setattr(dbt_packages, "_hub_answers", lambda: True)
    monkeypatch.setattr(dbt_packages, "_install", install)
    dbt_packages.main()
    assert "not those that were reviewed" in capsys.readouterr().out
    assert (package / "stand-in").exists()
    assert not (package / "macros/from_the_hub.sql").exists()
    shutil.rmtree(package)
    install()
    hash_of_it = dbt_packages.hash_of(package)
    shutil.rmtree(package.parent)
    monkeypatch.setattr(dbt_packages, "REVIEWED", hash_of_it)
    dbt_packages.main()
    assert (package / "macros/from_the_hub.sql").exists()
    # Existing files are compared again: a changed file is fetched again.
    (package / "dbt_project.yml").write_text("changed")
    monkeypatch.setattr(dbt_packages, "_hub_answers", lambda: False)
    dbt_packages.main()
    assert (package / "stand-in").exists()


def test_one_version_is_everywhere():
    project = yaml.safe_load((DBT / "dbt_project.yml").read_text())
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    newest = re.findall(r"^## (\d+\.\d+\.\d+)\b", changelog, re.MULTILINE)[0]
    assert ingest.__version__ == project["version"] == newest
