"""`python -m report.documentation FROM TO`: dbt's page without what is not for readers.

dbt writes the compiled SQL into the page: with the whole path of the landing, with
paths of the files that it compiled, and with the ids and addresses of internal users.
"""

import csv
import json
import os
import sys
from pathlib import Path

from dotenv import load_dotenv


def main() -> int:
    source, target = map(Path, sys.argv[1:])
    load_dotenv(".env")
    text = source.read_text(encoding="utf-8")
    for path, shown in sorted(paths().items(), key=lambda item: -len(item[0])):
        for quoted in (path, path.replace("'", "''")):
            text = text.replace(json.dumps(quoted)[1:-1], shown)
    for literal in internal_users():
        text = text.replace(json.dumps(literal)[1:-1], "'(internal)'")
    target.write_text(text, encoding="utf-8")
    return 0


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
    """What the seed traffic_rules knows internal users by, as literals of SQL."""
    seeds = Path(os.environ.get("DBT_PROJECT_DIR", "dbt")) / "seeds"
    with (seeds / "traffic_rules.csv").open(encoding="utf-8", newline="") as file:
        rules = [row for row in csv.DictReader(file) if row["kind"] == "internal"]
    quoted = {rule["pattern"].replace("'", "''") for rule in rules}
    return {f"'{text}'" for one in quoted for text in (one, one.replace("\\", r"\\"))}


if __name__ == "__main__":
    sys.exit(main())
