"""What is installed is what was reviewed: exact versions, and a hash of every file."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sandbox import dbt_packages

REPOSITORY = Path(__file__).parents[2]
DBT = REPOSITORY / "dbt"


@pytest.mark.parametrize("name", ["requirements.txt", "installers.txt"])
def test_every_requirement_is_exact_and_has_hashes(name):
    text = (REPOSITORY / name).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        assert re.match(r"[\w.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line


def test_everything_that_is_chosen_is_locked():
    text = (REPOSITORY / "requirements.in").read_text()
    chosen = re.findall(r"^([\w-]+)", text, re.MULTILINE)
    locked = (REPOSITORY / "requirements.txt").read_text()
    assert chosen
    for name in chosen:
        assert re.search(rf"^{name}(\[\w+\])?==", locked, re.MULTILINE), name


def test_no_installation_is_without_hashes():
    recipes = (REPOSITORY / "Makefile").read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install [^|\n]*", recipes)
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes" in install


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
    for package in yaml.safe_load((DBT / "packages.yml").read_text())["packages"]:
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
    # What is there is looked at again: a changed file is fetched anew.
    (package / "dbt_project.yml").write_text("changed")
    monkeypatch.setattr(dbt_packages, "_hub_answers", lambda: False)
    dbt_packages.main()
    assert (package / "stand-in").exists()
