"""`python -m report FOLDER`: write the page of the target that dbt's profile names."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from report.page import render
from report.warehouse import WarehouseError, ask


def main() -> int:
    parser = argparse.ArgumentParser(prog="report", description=__doc__)
    parser.add_argument("folder", type=Path, help="where index.html goes")
    folder = parser.parse_args().folder
    try:
        answers = ask()
    except WarehouseError as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    missing = sorted({mart for answer in answers.values() for mart in answer.missing})
    if missing:
        print(f"report: not there yet: {', '.join(missing)}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    page.write_text(render(answers, datetime.now(UTC)), encoding="utf-8")
    print(f"report: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
