"""`python -m report`: write the pages of the target that dbt's profile names."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from dbt.artifacts.resources import Time
from dotenv import load_dotenv

from report import digest, documentation
from report.page import Freshness, render
from report.warehouse import Answer, WarehouseError, ask
from runner.duckdb_file import WarehouseFileError, locked_warehouse, warehouse_file
from runner.project import DbtError, Project
from runner.settings import SettingsFileError
from runner.webhook import post


def main() -> int:
    parser = argparse.ArgumentParser(prog="report", description=__doc__)
    parser.add_argument("--docs", type=Path, help="folder of the documentation")
    parser.add_argument("--report", type=Path, help="folder of the report")
    parser.add_argument("--digest", type=Path, help="folder of the weekly digest")
    parser.add_argument(
        "--send", action="store_true", help="post the digest to WEBHOOK_URL"
    )
    arguments = parser.parse_args()
    load_dotenv(".env")
    webhook = os.environ.get("WEBHOOK_URL", "")
    if arguments.send and not webhook:
        print("report: SEND=1 needs WEBHOOK_URL: set it in .env", file=sys.stderr)
        return 2
    project = Project()
    try:
        with locked_warehouse(warehouse_file()):
            # First: the documentation shows the SQL of the report's questions.
            if arguments.report:
                print(f"report: {write_report(project, arguments.report)}")
            if arguments.digest:
                text = write_digest(project, arguments.digest)
                print(text, end="")
            if arguments.docs:
                project.run("compile")
                print(f"docs: {documentation.write(project, arguments.docs)}")
    except (SettingsFileError, WarehouseFileError, DbtError, WarehouseError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    if arguments.digest and arguments.send:
        return post([text], webhook)
    return 0


def write_report(project: Project, folder: Path) -> Path:
    """Write the page of charts into the folder; returns the file.

    Raises:
        DbtError, WarehouseError: see `report.warehouse.ask`.
    """
    answers = _ask(project)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    html = render(answers, datetime.now(UTC), _freshness(project))
    page.write_text(html, encoding="utf-8")
    return page


def write_digest(project: Project, folder: Path) -> str:
    """Write digest.html and digest.txt into the folder; returns the text.

    Raises:
        DbtError, WarehouseError: see `report.warehouse.ask`.
    """
    answers = _ask(project)
    if missing := answers["active_users"].missing:
        raise WarehouseError(f"the digest needs {missing[0]}: run make dbt-build")
    found = digest.digests(answers)
    report_url = os.environ.get("REPORT_URL", "")
    text = digest.as_text(found, report_url)
    folder.mkdir(parents=True, exist_ok=True)
    html = digest.as_html(found, report_url)
    (folder / "digest.html").write_text(html, encoding="utf-8")
    (folder / "digest.txt").write_text(text, encoding="utf-8")
    return text


def _ask(project: Project) -> dict[str, Answer]:
    answers = ask(project)
    missing = sorted({mart for answer in answers.values() for mart in answer.missing})
    if missing:
        print(f"report: not built yet: {', '.join(missing)}", file=sys.stderr)
    return answers


def _freshness(project: Project) -> Freshness | None:
    """Thresholds of the raw events' source; none in the demo (REPORT_AGE=none)."""
    if os.environ.get("REPORT_AGE") == "none":
        return None
    for source in project.manifest.sources.values():
        thresholds = source.freshness
        if source.name == "events" and thresholds:
            late, stale = thresholds.warn_after, thresholds.error_after
            if late and stale:
                return Freshness(_hours(late), _hours(stale))
    return None


def _hours(time: Time) -> float:
    hours = {"minute": 1 / 60, "hour": 1, "day": 24}
    return (time.count or 0) * hours[str(time.period or "hour")]


if __name__ == "__main__":
    sys.exit(main())
