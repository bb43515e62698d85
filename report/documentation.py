"""`python -m report.documentation FROM TO`: dbt's page without paths of this machine.

dbt writes the compiled SQL into the page, with the whole path of the landing, and paths
of the files that it compiled.
"""

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


if __name__ == "__main__":
    sys.exit(main())
