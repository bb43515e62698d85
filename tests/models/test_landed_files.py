"""Which landed files count: those of the ledger, and those that no line of it names."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from histories import Export, Load
from warehouses import Warehouse, open_duckdb

HOUR = datetime(2026, 3, 1, 5)
LATER = timedelta(hours=24)


def export(project: int, count: int, version: int = 0, form: str = "json.gz") -> Export:
    """One export of one hour, of rows that only their file tells apart."""
    rows = [
        {
            "app": project,
            "amplitude_id": 7,
            "session_id": 1,
            "event_type": "Seen",
            "event_time": f"{HOUR:%F %T.%f}",
            "server_upload_time": f"{HOUR:%F %T.%f}",
        }
        for _ in range(count)
    ]
    exported_at = HOUR + timedelta(hours=4) + version * LATER
    return Export(str(project), HOUR, exported_at, [rows] if rows else [], form)


# What each of two loads brings to a project: exports whose files land, exports whose
# ledger line lands. And the rows that count after each of the two builds.
CASES = {
    "files, then the ledger line of another export": (
        ([export(11, 3)], []),
        ([export(11, 5, 1)], [export(11, 5, 1)]),
        (3, 5),
    ),
    "files, then the same rows in the other format": (
        ([export(12, 3)], []),
        ([export(12, 3, 1, "json")], [export(12, 3, 1, "json")]),
        (3, 3),
    ),
    "a recorded export, then files of another": (
        ([export(13, 3)], [export(13, 3)]),
        ([export(13, 5, 1)], []),
        (3, 3),
    ),
    "both at once": (
        ([export(14, 3), export(14, 5, 1)], [export(14, 5, 1)]),
        ([], []),
        (5, 5),
    ),
    "files that are never recorded": (([export(15, 3)], []), ([], []), (3, 3)),
    "files whose own line comes later": (
        ([export(16, 3)], []),
        ([], [export(16, 3)]),
        (3, 3),
    ),
    "superseded files whose own line comes later": (
        ([export(17, 3), export(17, 5, 1)], [export(17, 3)]),
        ([], [export(17, 5, 1)]),
        (3, 5),
    ),
    "files of an hour that the ledger calls empty": (
        ([export(18, 3)], [export(18, 0)]),
        ([], []),
        (3, 3),
    ),
}


def land(landing: Path, name: str, files: list[Export], lines: list[Export]) -> None:
    objects = [(key, data) for one in files for key, data, _ in one.objects()]
    Load(name, objects, lines).land(landing)


@pytest.fixture(scope="module")
def counts(tmp_path_factory) -> tuple[dict[str, int], dict[str, int]]:
    """The staged events of each project, after each of two builds that succeeded."""
    folder = tmp_path_factory.mktemp("landed_files")
    warehouse = open_duckdb(folder / "landing", folder)
    found = []
    for number in range(2):
        for case in CASES.values():
            land(warehouse.landing, f"load-{number}", *case[number])
        warehouse.build()
        found.append(staged(warehouse))
    return tuple(found)


def staged(warehouse: Warehouse) -> dict[str, int]:
    return dict(
        warehouse.rows(
            "select project_id, count(*)"
            " from amplitude_staging.stg_amplitude__events group by 1"
        )
    )


@pytest.mark.parametrize("number", range(len(CASES)), ids=CASES)
def test_files_that_no_ledger_line_names(counts, number):
    _, _, expected = list(CASES.values())[number]
    assert tuple(found[str(11 + number)] for found in counts) == expected
