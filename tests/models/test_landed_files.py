"""Which landed files count: those of the ledger, and those that no line of it names."""

import gzip
import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from histories import Export, Load, write
from warehouses import Warehouse, open_duckdb

pytestmark = pytest.mark.xdist_group("landed files")

HOUR = datetime(2026, 3, 1, 5)
LATER = timedelta(hours=24)


# Versions are days: this one is of a clock that was ahead.
AHEAD = 36_500


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
    "an hour that is exported again as empty": (
        ([export(19, 3)], [export(19, 3)]),
        ([], [export(19, 0, 1)]),
        (3, 3),
    ),
    "a line of a clock that was ahead, then that of a later export": (
        ([export(20, 3, AHEAD)], [export(20, 3, AHEAD)]),
        ([export(20, 5, 1)], [export(20, 5, 1)]),
        (3, 5),
    ),
}
EMPTIED = "19/2026-03-01 05:00:00"


# Files of their own projects, with the rows that they hold.
TEXTS = {
    "mixed line ends": (b"{}\n{}\r\n", 2),
    "mixed line ends the other way round": (b"{}\r\n{}\n", 2),
    "line ends of Windows": (b'{"a": 1}\r\n{"a": 2}\r\n', 2),
    "no line end at the end": (b"{}\r\n{}\n{}", 3),
    "empty lines": (b"\n{}\n\n\r\n \n{}\r\n\r\n{}\n\n", 3),
    "nothing": (b"", 0),
}


def land_text(landing: Path, project: int, content: bytes, form: str) -> Path:
    """Land bytes as they are, under the key that their hash gives."""
    name = hashlib.sha256(content).hexdigest()[:16]
    path = landing / f"events/{project}/{HOUR:%Y-%m-%d/%H}/0-{name}.{form}"
    write(path, content)
    return path


def land(landing: Path, name: str, files: list[Export], lines: list[Export]) -> None:
    objects = [(key, data) for one in files for key, data, _ in one.objects()]
    Load(name, objects, lines).land(landing)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Warehouse, list[dict[str, int]], str]:
    """A warehouse after two builds that succeeded, with the staged events of each
    project after each of them, and what the second printed."""
    folder = tmp_path_factory.mktemp("landed_files")
    warehouse = open_duckdb(folder / "landing", folder)
    for number, (text, _) in enumerate(TEXTS.values()):
        land_text(warehouse.landing, 31 + number, text, "json")
        land_text(warehouse.landing, 51 + number, gzip.compress(text), "json.gz")
    counts = []
    for number in range(2):
        for case in CASES.values():
            land(warehouse.landing, f"load-{number}", *case[number])
        printed = warehouse.build("--exclude", "tag:analyses")
        counts.append(staged(warehouse))
    return warehouse, counts, printed


def staged(warehouse: Warehouse) -> dict[str, int]:
    return dict(
        warehouse.rows(
            "select project_id, count(*)"
            " from amplitude_staging.stg_amplitude__events group by 1"
        )
    )


@pytest.mark.parametrize("number", range(len(CASES)), ids=CASES)
def test_rows_of_a_landed_file_count(built, number):
    _, counts, _ = built
    _, _, expected = list(CASES.values())[number]
    assert tuple(found[str(11 + number)] for found in counts) == expected


def test_an_emptied_hour_is_marked_and_warned_of(built):
    warehouse, _, printed = built
    assert warehouse.rows(
        "select upload_hour_id, landed_row_count, staged_event_count"
        " from amplitude.amplitude__load_audit where is_emptied"
    ) == [(EMPTIED, 3, 3)]
    assert "Warning in test assert_no_emptied_hour_has_events" in printed


@pytest.mark.parametrize("number", range(len(TEXTS)), ids=TEXTS)
def test_lines_may_end_in_any_way(built, number):
    warehouse, _, _ = built
    _, expected = list(TEXTS.values())[number]
    assert warehouse.rows(
        f"select count_if(is_parsed and project_id = '{31 + number}'),"
        f" count_if(is_parsed and project_id = '{51 + number}')"
        " from amplitude_staging.base_amplitude__events"
    ) == [(expected, expected)]


UNREADABLE = {
    "cut off": (gzip.compress(b"{}\n" * 99)[:-12], "json.gz"),
    "not gzip": (b"{}\n", "json.gz"),
    "not UTF-8": (b'{"a": "\xff"}\n', "json"),
    "a line of 18 MB": (b'{"a": "' + b"x" * 18_000_000 + b'"}\n', "json"),
}


def test_a_file_that_cannot_be_read_is_named_with_the_way_out(tmp_path):
    warehouse = open_duckdb(tmp_path / "landing", tmp_path)
    land(warehouse.landing, "load", [export(11, 3)], [export(11, 3)])
    paths = [
        land_text(warehouse.landing, 12 + number, content, form)
        for number, (content, form) in enumerate(UNREADABLE.values())
    ]
    while paths:
        run = warehouse.try_build("--select", "base_amplitude__events")
        assert run.returncode != 0
        (named,) = (
            path
            for path in paths
            if f"DuckDB cannot read {path.relative_to(warehouse.landing)}" in run.stdout
        )
        assert (
            "make ingest START=2026-03-01T05 END=2026-03-01T05 ARGS=--force"
            in run.stdout
        )
        named.rename(tmp_path / named.name)
        paths.remove(named)
    warehouse.run("--select", "base_amplitude__events")
    rows = "select count(*) from amplitude_staging.base_amplitude__events"
    assert warehouse.value(rows) == 3
