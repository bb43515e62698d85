"""The models' documentation: dbt's page without paths and internal users.

dbt writes the compiled SQL into the page: with the whole path of the landing, with
paths of the files that it compiled, and with the ids and addresses of internal users.
The page opens with dbt/models/overview.md. In the project that text has the name of a
package's overview, so that it does not replace the overview of a project that installs
this one.
"""

import csv
import json
import os
from pathlib import Path

from runner.project import DbtError, Project
from runner.settings import read_settings, settings_file


def write(project: Project, folder: Path) -> Path:
    """Write dbt's documentation into the folder, for readers; returns the file.

    It shows the SQL that the project has compiled so far.

    Raises:
        DbtError: dbt cannot write it.
    """
    is_written, _ = project.run("docs", "generate", "--static", "--no-compile")
    if not is_written:
        raise DbtError("dbt cannot write the documentation")
    page = Path(project.target_folder, "static_index.html").read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "index.html"
    target.write_text(for_readers(page), encoding="utf-8")
    return target


def for_readers(page: str) -> str:
    """The page without paths of this machine and without internal users."""
    for path, shown in sorted(paths().items(), key=lambda item: -len(item[0])):
        for quoted in (path, path.replace("'", "''")):
            page = page.replace(json.dumps(quoted)[1:-1], shown)
    for literal in internal_users():
        page = page.replace(json.dumps(literal)[1:-1], "'(internal)'")
    # The overview has a package's name for it, so that dbt does not show it instead of
    # that of a project that installs this one. Here the page opens with it.
    return page.replace('"__amplitude_warehouse__"', '"__overview__"')


def paths() -> dict[str, str]:
    """The whole paths that dbt may have written, and what is shown for each."""
    settings = {
        "LANDING": "landing",
        "WAREHOUSE": "warehouse.duckdb",
        "DBT_TARGET_PATH": "target",
        "DBT_PROJECT_DIR": "dbt",
    }
    given = {os.environ.get(name, ""): shown for name, shown in settings.items()}
    found = {path: shown for path, shown in given.items() if Path(path).is_absolute()}
    return {str(Path.home()): "~", str(Path.cwd()): "."} | found


def internal_users() -> set[str]:
    """What traffic rules identify internal users by, as literals of SQL."""
    seeds = Path(os.environ.get("DBT_PROJECT_DIR", "dbt")) / "seeds"
    with (seeds / "traffic_rules.csv").open(encoding="utf-8", newline="") as file:
        rules = list(csv.DictReader(file))
    rules += read_settings(settings_file()).get("traffic_rules") or []
    quoted = {
        str(rule["pattern"]).replace("'", "''")
        for rule in rules
        if rule["kind"] == "internal"
    }
    return {f"'{text}'" for one in quoted for text in (one, one.replace("\\", r"\\"))}
