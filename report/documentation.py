"""The models' documentation: dbt's page without paths and internal users.

Each mart's description continues with its page of docs/marts: definition, differences
from Amplitude, an example. The lineage opens without tests; its filter adds them.

dbt writes the compiled SQL into the page: with the whole path of the landing, with
paths of the files that it compiled, and with the ids and addresses of internal users.
The page opens with dbt/models/overview.md. In the project that text has the name of a
package's overview, so that it does not replace the overview of a project that installs
this one.
"""

import csv
import json
import os
import re
from pathlib import Path
from typing import Any

from report.mart_pages import HEADING, PAGES
from runner.project import DbtError, Project
from runner.settings import read_settings, settings_file

LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
# What the page of dbt 1.11 shows in its lineage before a reader chooses.
LINEAGE = 'resource_types:["model","seed","snapshot","source","test","unit_test",'
LINEAGE_WITHOUT_TESTS = 'resource_types:["model","seed","snapshot","source",'


def write(project: Project, folder: Path) -> Path:
    """Write dbt's documentation into the folder, for readers; returns the file.

    It shows the SQL that the project has compiled so far.

    Raises:
        DbtError: dbt cannot write it.
    """
    is_written, _ = project.run("docs", "generate", "--static", "--no-compile")
    if not is_written:
        raise DbtError("dbt cannot write the documentation")
    written = Path(project.target_folder)
    page = (written / "static_index.html").read_text(encoding="utf-8")
    manifest = (written / "manifest.json").read_text(encoding="utf-8")
    if page.count(manifest) != 1:
        raise DbtError("dbt's page of documentation does not hold its manifest")
    page = page.replace(manifest, json.dumps(with_mart_pages(json.loads(manifest))))
    page = page.replace(LINEAGE, LINEAGE_WITHOUT_TESTS)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "index.html"
    target.write_text(for_readers(page), encoding="utf-8")
    return target


def with_mart_pages(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest, with docs/marts in the descriptions of the marts."""
    marts = {
        node["name"]: (id_, node)
        for id_, node in manifest["nodes"].items()
        if (PAGES / f"{node['name']}.md").exists()
    }
    for name, (_, node) in marts.items():
        text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
        # The title is the model's, and the columns are in dbt's own table.
        text = text.partition("\n")[2].partition(HEADING)[0]
        text = LINK.sub(lambda link: _site_link(link, marts), text)
        node["description"] += "\n\n" + text.strip()
    return manifest


def _site_link(link: re.Match[str], marts: dict[str, tuple[str, Any]]) -> str:
    """A link of docs/marts for the site: to a mart, to the web, or only its text."""
    text, target = link.groups()
    name = Path(target.partition("#")[0]).stem
    if target.startswith("https://"):
        return link[0]
    return f"[{text}](#!/model/{marts[name][0]})" if name in marts else text


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
