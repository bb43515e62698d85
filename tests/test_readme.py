"""README and docs stay true: links, targets, and commands in their order."""

import os
import re
import shlex
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from sandbox.amplitude.export_api import serve

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
PAGES = sorted(
    REPOSITORY / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=REPOSITORY, capture_output=True, text=True
    ).stdout.split()
)
TARGETS = re.findall(
    r"^([a-z-]+):.*##", (REPOSITORY / "Makefile").read_text(), re.MULTILINE
)


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        # GitHub's pages of the repository's own workflows.
        if workflow := re.match(r"\.\./\.\./actions/workflows/([\w.]+)", path):
            path = f".github/workflows/{workflow[1]}"
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            anchors = [
                re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
                for heading in headings
            ]
            assert anchor in anchors, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_make_targets_exist(page):
    code = re.findall(r"`[^`]*`|```.*?```", page.read_text(), re.DOTALL)
    named = re.findall(r"\bmake ([a-z][a-z-]+)", "\n".join(code))
    assert set(named) <= set(TARGETS)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """This repository in another folder, without data, settings and files of dbt."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for path in REPOSITORY.iterdir():
        if path.name not in (".env", ".git", "data", "logs", "settings.yml"):
            (checkout / path.name).symlink_to(path)
    return checkout


def run(checkout: Path, command: str, **settings: str) -> str:
    """Run a command of the README; returns its output, fails if it fails."""
    target = {"DBT_TARGET_PATH": str(checkout / "target")}
    finished = subprocess.run(
        ["bash", "-c", command],
        cwd=checkout,
        env=os.environ | target | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, f"{command}\n{finished.stdout}"
    return finished.stdout


# Fails the import of whatever is not among the packages of requirements.txt.
BLOCK = """
import importlib.abc, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"{{name}} is not in requirements.txt")

sys.meta_path.insert(0, Block())
"""


def modules_of_larger_sets() -> set[str]:
    """Top-level modules of packages that only Snowflake, tests or linters need."""
    lock = (REPOSITORY / "requirements.txt").read_text()
    small = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)) | {"pip", "setuptools"}
    small = {name.lower().replace("_", "-").replace(".", "-") for name in small}
    return {
        module
        for module, packages in packages_distributions().items()
        if not small & {name.lower().replace("_", "-") for name in packages}
        # Of namespaces that both sets share, and what dbt looks for by its name.
        and module not in ("dbt", "google")
        and not module.startswith("dbt_")
    }


def test_commands_work_in_their_order(checkout, tmp_path):
    """The demo with the small set of packages, what it says to try, README's block."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    names = modules_of_larger_sets()
    assert {"snowflake", "pytest", "fakesnow"} <= names
    (blocked / "sitecustomize.py").write_text(BLOCK.format(names=names))
    shown = run(checkout, "make demo", PYTHONPATH=str(blocked))
    steps = re.findall(r"^(\d/4 \w+) .*\(\d+\.\d s\)$", shown, re.MULTILINE)
    assert steps == ["1/4 ingest", "2/4 build", "3/4 report", "4/4 docs"]
    assert "16,312 events" in shown and len(shown.splitlines()) < 40
    commands = re.findall(
        r"^  ((?:make|open|xdg-open) .*)$", shown.partition("Try next")[2], re.MULTILINE
    )
    assert len(commands) == 4
    for command in commands:
        program, *words = shlex.split(command)
        if program == "make":
            run(checkout, command, PYTHONPATH=str(blocked))
        else:
            assert (checkout / words[0]).exists()
    again = run(checkout, "make demo", PYTHONPATH=str(blocked))
    assert "46 up to date, 206 tests passed" in again
    for target, says in {
        "docs": "docs: data/demo/docs/index.html",
        "report": "report: data/demo/report/index.html",
        "site": "site: data/demo/site/index.html",
        "doctor": "OK ",
        "freshness": "",
        "run-summary": "### dbt",
        "erase USER_IDS=user-10291": "82 events",
    }.items():
        settings = {"PYTHONPATH": str(blocked), "ERASURE_SALT": "0" * 64}
        assert says in run(checkout, f"make {target}", **settings)

    [block] = [
        b for b in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if ".env" in b
    ]
    commands = [line.partition("#")[0].strip() for line in block.splitlines()]
    assert commands[0] == "cp .env.example .env"
    run(checkout, commands[0])
    with serve() as api:
        env = checkout / ".env"
        filled = [
            f"{name}={api.environment.get(name, value)}" if value else name
            for name, _, value in (
                line.partition("=") for line in env.read_text().splitlines()
            )
        ]
        env.write_text("\n".join([*filled, f"AMP_EXPORT_URL={api.url}"]))
        for command in commands[1:]:
            command = command.replace("2026-01-01", "2026-01-17")
            run(checkout, command.replace("2026-01-31", "2026-01-18"))
    assert (checkout / "data/site/report/index.html").exists()
    assert (checkout / "data/site/docs/index.html").exists()


def test_the_readme_counts_the_marts():
    pages = list((REPOSITORY / "docs/marts").glob("amplitude__*.md"))
    assert f"{len(pages)} marts" in README
