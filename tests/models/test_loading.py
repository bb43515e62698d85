"""What lands is loaded: once, whole, whatever it holds, and nothing else."""

import gzip
import json
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from histories import Export, Load
from warehouses import (
    LINK,
    Warehouse,
    emulator,
    land,
    make,
    open_duckdb,
    open_snowflake,
)

from ingest.landing import FolderLanding, LandingError
from ingest.landing.ledger import read_ledger
from sandbox.amplitude.export_api import EXPORT_DIR, serve
from sandbox.snowflake import load, run

of_the_sample = pytest.mark.xdist_group("sample")

BASE = "amplitude_staging.base_amplitude__events"
STAGED = "amplitude_staging.stg_amplitude__events"
REMOVED = "amplitude_staging.stg_amplitude__excluded_rows"
DAY = "2026-03-01"
WITHOUT_ANALYSES = ("--exclude", "tag:analyses")
# What lands is seen in staging: its models, and the tests that read nothing else.
STAGING = ("--select", "+path:models/staging", "--indirect-selection", "buildable")


def event(number: int, **fields: Any) -> dict[str, Any]:
    """A row of the export, with the fields given in place of the usual ones."""
    time = datetime.fromisoformat(DAY) + timedelta(seconds=number)
    return {
        "app": 5,
        "uuid": f"uuid-{number}",
        "$insert_id": f"insert-{number}",
        "device_id": "device",
        "amplitude_id": 77,
        "session_id": 1,
        "event_type": "Seen",
        "event_time": f"{time:%Y-%m-%d %H:%M:%S.%f}",
        "server_upload_time": f"{time:%Y-%m-%d %H:%M:%S.%f}",
        "event_properties": {},
    } | fields


def export(folder: Path, *lines: str, hour: int = 0) -> Path:
    """Write lines as the export of one hour."""
    path = folder / "5" / f"5_{DAY}_{hour}#0.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))
    return folder


def land_lines(tmp_path: Path, *lines: str) -> Path:
    landing = tmp_path / "landing"
    land(export(tmp_path / "export", *lines), landing, f"START={DAY}", f"END={DAY}")
    return landing


PAGE = "[Amplitude] Page URL"
TEXT = "[Amplitude] Element Text"
ODD_ROWS = {
    "half a pair": r'"\ud83d cut"',
    "the other half": r'"\ude00 cut"',
    "a pair": r'"\ud83d\ude00 whole"',
    "no escape": r'"\\ud83d is text"',
    "nul": r'"a\u0000b"',
    "line separators": '"a\u2028b\u2029c\u0085d"',
    "quotes": r'"it\u0027s \"quoted\" \\ $1 \n \t"',
    "right to left": '"\u202eabc\u202c"',
    "long": json.dumps("x" * 3_000_000),
    "empty": '""',
    "null": "null",
    "number": "5",
    "object": '{"a": 1, "A": 2}',
}
ELEMENTS = {
    "half a pair": "\ufffd cut",
    "the other half": "\ufffd cut",
    "a pair": "\U0001f600 whole",
    "no escape": r"\ud83d is text",
    "nul": "a\0b",
    "line separators": "a\u2028b\u2029c\u0085d",
    "quotes": 'it\'s "quoted" \\ $1 \n \t',
    "right to left": "\u202eabc\u202c",
    "long": "x" * 3_000_000,
    "empty": None,
    "null": None,
    "number": None,
    "object": None,
}
ODD_FIELDS: list[dict] = [
    {"session_id": 10**30},
    {"session_id": 0},
    {"session_id": "many"},
    {"event_time": "2026-03-01T00:00:00.5Z"},
    {"event_time": "soon"},
    {"event_properties": None},
    {"event_properties": {"big": 10**40, "deep": [[{"a": [None, True]}]]}},
    {"event_properties": {"key": 1, "Key": 2, "KEY": 3}},
    {"user_properties": {"$set": {"a b": "c"}, "": 1, "'": 2, '"': 3}},
    {"paying": "(none)"},
    {"paying": True},
    {"event_type": " 'quoted' \"name\" " + "x" * 300},
    {"user_id": "ü" * 300},
    {"amplitude_attribution_ids": "a string"},
    {"amplitude_attribution_ids": ["an", "array"]},
    {"never_seen_before": {"a": 1}},
    {"event_properties": '{"a": 1}', "user_properties": ["b"]},
    {"location_lat": "nan", "location_lng": 1e300},
    {"session_id": "1_000", "event_id": 1.5},
    # Revenue that is not a number, and as much as there may be.
    *(
        {"event_properties": properties}
        for properties in (
            {"$revenue": "NaN"},
            {"$revenue": "Infinity"},
            {"$revenue": -1e308},
            {"$price": 1e308, "$quantity": 10},
            {"$price": 10, "$quantity": "inf"},
            {"$price": 1e14, "$quantity": 9},
            {"$revenue": 999999999999999},
        )
    ),
    # Times at both ends of the calendar, and beyond; of other users, in their sessions.
    *(
        {
            "amplitude_id": 90 + number,
            "device_id": f"device-{number}",
            "event_time": time,
            "client_event_time": time,
        }
        for number, time in enumerate(
            [
                "9999-12-31 23:59:59.999999",
                "58001-05-09 00:00:00.000000",
                -290000,
                "infinity",
                1772323200000,
                "2026-03-01T02:00:00+02:00",
            ]
        )
    ),
    # One session from the first day of the calendar to the last.
    {"session_id": 9, "client_event_time": "0001-01-01 00:00:00.000000"},
    {"session_id": 9, "client_event_time": "9999-12-31 23:59:59.999999"},
    {"session_id": 9},
]


def odd_lines() -> list[str]:
    lines = []
    for number, (name, text) in enumerate(ODD_ROWS.items()):
        row = json.dumps(event(number, user_id=name, event_properties="?"))
        lines.append(row.replace('"?"', f'{{"{TEXT}": {text}}}'))
    for number, fields in enumerate(ODD_FIELDS, len(lines)):
        lines.append(json.dumps(event(number, **fields), ensure_ascii=False))
    lines.append(json.dumps({"uuid": "only a uuid"}))
    lines.append("{}")
    return lines


def land_another_project(landing: Path) -> None:
    """Rows of project 6 with the ids of project 5's, whatever project they name."""
    hour = datetime.fromisoformat(DAY)
    rows = [event(number, app=app) for number, app in enumerate([6, 5, None, "six"])]
    rows += [event(10, uuid="uuid-0"), event(11, event_type="", amplitude_id=88, app=6)]
    load = Load("load")
    load.ledger.append(Export("6", hour, hour, [rows]))
    load.objects += [(key, data) for key, data, _ in load.ledger[0].objects()]
    load.land(landing)


def assert_amounts_and_times_are_bounded(warehouse: Warehouse) -> None:
    """What is not an amount earns nothing; no far time is lost, or overflows."""
    assert warehouse.rows(
        "select revenue_event_count, revenue from amplitude.amplitude__daily_revenue"
        f" where project_id = '5' and revenue_date = '{DAY}'"
    ) == [(3, 9e14 + 999999999999999 + 10)]
    assert warehouse.rows(
        "select event_count, duration_seconds from amplitude.amplitude__sessions"
        " where project_id = '5' and amplitude_session_id = 9"
    ) == [(3, 315537897600)]
    assert warehouse.rows(
        "select user_id, first_seen_at from amplitude.amplitude__users"
        " where project_id = '5' and user_id between '90' and '95' order by 1"
    ) == [
        ("90", "9999-12-31 23:59:59.999999"),
        ("91", None),
        ("92", None),
        ("93", None),
        ("94", f"{DAY} 00:00:00"),
        ("95", f"{DAY} 00:00:00"),
    ]


def assert_projects_are_apart(warehouse: Warehouse) -> None:
    """The same ids in two projects are two events, sessions and users."""
    assert warehouse.rows(
        "select project_event_id, event_id, project_id from amplitude.amplitude__events"
        " where event_id in ('uuid-0', 'uuid-3') order by 1"
    ) == [
        ("5/uuid-0", "uuid-0", "5"),
        ("5/uuid-3", "uuid-3", "5"),
        ("6/uuid-0", "uuid-0", "6"),
        ("6/uuid-3", "uuid-3", "6"),
    ]
    assert warehouse.rows(
        f"select reason, count(*) from {REMOVED} where project_id = '6' group by 1"
    ) == [("same_uuid", 1)]
    # Rows that name no project name no other.
    assert warehouse.rows(
        f"select event_id, unparsed_field_count from {BASE}"
        " where project_id = '6' and unparsed_field_count > 0 order by 1"
    ) == [("uuid-0", 1), ("uuid-1", 1), ("uuid-3", 1)]
    for model in ("users", "sessions"):
        query = f"select sum(event_count) from amplitude.amplitude__{model}"
        assert warehouse.value(f"{query} where project_id = '6'") == 5, model
    assert (
        warehouse.value(
            "select new_user_count from amplitude.amplitude__active_users"
            f" where project_id = '6' and active_date = '{DAY}'"
        )
        == 2
    )


# Lines that the ingest takes for objects, and that are not JSON.
BROKEN_LINES = ["{not JSON}", '{"uuid": "cut", "event_type": "Se}']


def test_odd_rows_are_kept_and_equal_on_both_targets(tmp_path):
    """A broken line stops the build until it is allowed, and costs no other line."""
    lines = odd_lines()
    landing = land_lines(tmp_path, *lines[:5], *BROKEN_LINES, *lines[5:])
    land_another_project(landing)
    on_duckdb = open_duckdb(landing, tmp_path)
    with emulator(landing) as variables:
        on_snowflake = open_snowflake(landing, tmp_path, variables)
        for warehouse in (on_duckdb, on_snowflake):
            check = "assert_every_landed_line_is_json"
            run = warehouse.try_build("--select", f"+{check}")
            assert run.returncode != 0
            assert f"Failure in test {check}" in run.stdout
            assert f"{check}: line 6 of events/5/{DAY}/00/" in run.stdout
            assert "or allow the lines by the variable" in run.stdout
            allowed = ("--vars", "{unparsed_lines_allowed: 2}")
            warehouse.build(*allowed)
            counted = "select count(*) from {} where project_id = '5'"
            landed = warehouse.value(counted.format(BASE))
            assert landed == len(lines) + len(BROKEN_LINES)
            assert warehouse.value(counted.format(STAGED)) == len(lines)
            assert_projects_are_apart(warehouse)
            assert_amounts_and_times_are_bounded(warehouse)
            elements = warehouse.rows(
                f"select amplitude_user_id, element from {STAGED}"
                f" where element is not null or amplitude_user_id = 'null'"
            )
            for name, element in elements:
                assert element == ELEMENTS[name], name
            assert len(elements) == 1 + sum(
                element is not None for element in ELEMENTS.values()
            )
        ignored = {"loaded_at", "file_modified_at", "file_content_key"}
        for table in (BASE, STAGED):
            rows = [
                sorted(
                    repr([row[name] for name in sorted(row.keys() - ignored)])
                    for row in warehouse.table(table)
                )
                for warehouse in (on_duckdb, on_snowflake)
            ]
            assert rows[0] == rows[1]


def test_rows_without_a_user_are_added_to_existing_ones(tmp_path):
    sessions = [1, -1, None, "many"]
    landing = tmp_path / "landing"
    warehouse = open_duckdb(landing, tmp_path)
    for hour in (0, 1):
        lines = [
            json.dumps(
                event(
                    hour * 10 + number,
                    session_id=session,
                    amplitude_id=None,
                    device_id=None,
                )
            )
            for number, session in enumerate(sessions)
        ]
        export(tmp_path / "export", *lines, hour=hour)
        time = f"{DAY}T{hour:02}"
        land(tmp_path / "export", landing, f"START={time}", f"END={time}")
        warehouse.build(*WITHOUT_ANALYSES)
    counted = "select sum(event_count) from amplitude_intermediate"
    for model in ("int_amplitude__session_hours", "int_amplitude__session_days"):
        assert warehouse.value(f"{counted}.{model}") == 2 * len(sessions)


@pytest.fixture(scope="module")
def landing_of_two_days(tmp_path_factory) -> Path:
    landing = tmp_path_factory.mktemp("two_days") / "landing"
    land(EXPORT_DIR, landing, "START=2026-01-12", "END=2026-01-13")
    return landing


@of_the_sample
def test_new_files_are_added_to_what_is_loaded(
    landing_of_two_days, tmp_path, sample_duckdb
):
    landing = shutil.copytree(landing_of_two_days, tmp_path / "landing")
    warehouse = open_duckdb(landing, tmp_path)
    warehouse.build(*STAGING)
    first_loads = dict(
        warehouse.rows(f"select landing_key, max(loaded_at) from {BASE} group by 1")
    )
    # A landing may move: its files are known by their place within it.
    landing = warehouse.landing = landing.rename(tmp_path / "events")
    land(EXPORT_DIR, landing, "START=2026-01-14", "END=2026-01-18")
    warehouse.build(*STAGING)
    loads = dict(
        warehouse.rows(f"select landing_key, max(loaded_at) from {BASE} group by 1")
    )
    assert first_loads.items() <= loads.items()
    assert_same_events(warehouse, sample_duckdb)


@of_the_sample
def test_new_files_are_added_on_snowflake(landing_of_two_days, tmp_path, sample_duckdb):
    landing = shutil.copytree(landing_of_two_days, tmp_path / "landing")
    with emulator(landing) as variables:
        warehouse = open_snowflake(landing, tmp_path, variables)
        # A build between two transactions of a load sees files in part.
        rest = "from raw.amplitude.events where file_row_number > 3"
        run(
            variables,
            f"create table raw.amplitude.rest as select * {rest}",
            f"delete {rest}",
        )
        early = warehouse.try_build(*STAGING)
        assert "Failure in test assert_every_event_of_the_ledger" in early.stdout
        run(
            variables,
            "insert into raw.amplitude.events select * from raw.amplitude.rest",
        )
        warehouse.build(*STAGING)
        land(EXPORT_DIR, landing, "START=2026-01-14", "END=2026-01-18")
        load(variables)
        warehouse.build(*STAGING)
        assert_same_events(warehouse, sample_duckdb)


def assert_same_events(warehouse: Warehouse, other: Warehouse) -> None:
    for table in (BASE, STAGED):
        query = f"select landed_row_id, event_id from {table}"
        assert Counter(warehouse.rows(query)) == Counter(other.rows(query))


@of_the_sample
def test_a_build_with_nothing_new_changes_nothing(sample_duckdb):
    query = f"select landed_row_id, loaded_at from {BASE} order by 1"
    before = sample_duckdb.rows(query)
    # As if the build had died that was to number this file's lines.
    with duckdb.connect(sample_duckdb.settings["WAREHOUSE"]) as connection:
        connection.execute(
            f"update {BASE} set file_row_number = null, landed_row_id = null"
            " where landing_key like '%/2026-01-14/05/%'"
        )
    sample_duckdb.build()
    assert sample_duckdb.rows(query) == before


@of_the_sample
def test_a_landing_of_today_is_fresh(sample_duckdb):
    sample_duckdb.dbt("source", "freshness")


@of_the_sample
def test_lines_are_numbered_as_in_their_file(sample_duckdb, sample_landing):
    numbered = sample_duckdb.rows(
        f"select landing_key, file_row_number, event_id, landed_row_id from {BASE}"
    )
    expected = set()
    for path in sample_landing.glob("events/*/*/*/*"):
        key = path.relative_to(sample_landing).as_posix()
        with gzip.open(path) as lines:
            for number, line in enumerate(lines, 1):
                uuid = json.loads(line)["uuid"]
                expected.add((key, number, uuid, f"{key}#{number}"))
    assert set(numbered) == expected
    assert len(numbered) == len(expected)


@pytest.mark.parametrize("form", ["json.gz", "json"])
def test_lines_of_large_files_are_numbered_as_in_their_file(form, tmp_path):
    """Files that several threads would read, if they might."""
    lines = [json.dumps(event(number, noise="x" * 1000)) for number in range(40_000)]
    for hour in range(3):
        folder = export(tmp_path / "export", *lines, hour=hour)
    landing = tmp_path / "landing"
    land(folder, landing, f"START={DAY}", f"END={DAY}", f"ARGS=--format {form}")
    warehouse = open_duckdb(landing, tmp_path)
    warehouse.run("--select", "base_amplitude__events")
    assert warehouse.rows(
        "select count(*), count(distinct landed_row_id), max(file_row_number),"
        f" count_if(event_id != 'uuid-' || (file_row_number - 1)) from {BASE}"
    ) == [(120_000, 120_000, 40_000, 0)]


def test_a_file_that_is_cut_off_is_loaded_once_it_is_whole(tmp_path):
    lines = [json.dumps(event(number)) for number in range(2000)]
    landing = land_lines(tmp_path, *lines)
    warehouse = open_duckdb(landing, tmp_path)
    (path,) = landing.glob("events/*/*/*/*")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    run = warehouse.try_build(*STAGING)
    assert run.returncode != 0
    assert "assert_every_event_of_the_ledger_is_loaded" in run.stdout
    assert warehouse.value(f"select count(*) from {BASE}") == 0
    path.write_bytes(whole)
    warehouse.build(*STAGING)
    assert warehouse.value(f"select count(*) from {BASE}") == 2000


def test_plain_json_loads_like_gzipped(tmp_path):
    lines = [json.dumps(event(number)) for number in range(3)]
    folder = export(tmp_path / "export", *lines)
    landing = tmp_path / "landing"
    land(folder, landing, f"START={DAY}", f"END={DAY}", "ARGS=--format json")
    warehouse = open_duckdb(landing, tmp_path)
    warehouse.build(*STAGING)
    assert warehouse.value(f"select count(*) from {STAGED}") == 3


def test_a_landing_without_events_is_built(tmp_path):
    landing = tmp_path / "landing"
    land(EXPORT_DIR, landing, "START=2026-02-01", "END=2026-02-01")
    warehouse = open_duckdb(landing, tmp_path)
    warehouse.build()
    assert warehouse.value(f"select count(*) from {STAGED}") == 0
    hours = "select count(*) from amplitude_staging.stg_amplitude__upload_hours"
    assert warehouse.value(hours) == 24


@pytest.mark.parametrize(
    ("landing", "says"),
    [
        ("nowhere", "Nothing has landed in nowhere: run make ingest"),
        ("s3://bucket/prefix", "reads a landing folder, not s3://bucket/prefix"),
    ],
)
def test_a_landing_that_cannot_be_read_is_named(tmp_path, landing, says):
    run = open_duckdb(landing, tmp_path).try_build()
    assert run.returncode != 0
    assert says in run.stdout
    assert "Traceback" not in run.stdout


def test_a_landing_may_have_any_name(tmp_path):
    folder = tmp_path / "it's [1] {x} 5% *"
    folder.mkdir()
    warehouse = open_duckdb(land_lines(folder, json.dumps(event(0))), tmp_path)
    warehouse.build(*STAGING)
    assert warehouse.value(f"select count(*) from {STAGED}") == 1


def test_foreign_files_are_left_alone(tmp_path):
    landing = land_lines(tmp_path, json.dumps(event(0)))
    (path,) = landing.glob("events/*/*/*/*")
    (ledger,) = landing.glob("ledger/*/*/*")
    shutil.copy(path, f"{path}.bak")
    # In no folder where the ingest lands anything.
    deeper = path.parent / "deeper"
    deeper.mkdir()
    for folder in (deeper, landing, *path.parents[:3], landing / "events"):
        shutil.copy(path, folder / "0-0123456789abcdef.json.gz")
        shutil.copy(path, folder / path.name) if folder != path.parent else None
    for folder in (landing, landing / "ledger", ledger.parents[1]):
        (folder / "notes.json").write_text("{not JSON}")
    warehouse = open_duckdb(landing, tmp_path)
    warehouse.build(*STAGING)
    assert warehouse.value(f"select count(*) from {BASE}") == 1


def test_a_file_in_the_folder_of_another_hour_is_named(tmp_path):
    """One was moved by hand, one copied into another project's folder."""
    folder = tmp_path / "export"
    export(folder, json.dumps(event(0)))
    export(folder, json.dumps(event(3600)), hour=1)
    landing = land_lines(tmp_path, json.dumps(event(0)))
    (first,) = landing.glob(f"events/5/{DAY}/00/*")
    (second,) = landing.glob(f"events/5/{DAY}/01/*")
    hour, project = landing / f"events/5/{DAY}/07", landing / f"events/6/{DAY}/00"
    hour.mkdir()
    project.mkdir(parents=True)
    shutil.move(first, hour)
    shutil.copy(second, project)
    warehouse = open_duckdb(landing, tmp_path)
    misplaced = "assert_no_file_is_in_the_folder_of_another_hour"
    run = warehouse.try_build("--select", f"+{misplaced}")
    assert run.returncode != 0
    moved = f"events/5/{DAY}/07/{first.name} is events/5/{DAY}/00/{first.name}"
    copied = f"events/6/{DAY}/00/{second.name} is events/5/{DAY}/01/{second.name}"
    assert f"{misplaced}: {moved}; {copied}. Move these files back" in run.stdout
    assert (
        "assert_every_event_of_the_ledger_is_loaded:"
        f" events/5/{DAY}/00/{first.name}. These files of the ledger are not loaded"
    ) in run.stdout


@pytest.fixture(scope="module")
def landed_once(tmp_path_factory) -> Path:
    return land_lines(tmp_path_factory.mktemp("once"), json.dumps(event(0)))


def add_to_ledger(landing: Path, tmp_path: Path, line: str | dict) -> Path:
    """A copy of the landing whose ledger has one more file, with the line as it was
    written but for the changes."""
    copy = Path(shutil.copytree(landing, tmp_path / "landing"))
    (ledger,) = copy.glob("ledger/*/*/*")
    if isinstance(line, dict):
        line = json.dumps(json.loads(ledger.read_text().splitlines()[0]) | line)
    ledger.with_name("bad.json").write_text(line)
    return copy


@pytest.mark.parametrize("line", ["{not JSON}", {"files": ["a"]}])
def test_a_malformed_line_of_the_ledger_fails_the_build(line, landed_once, tmp_path):
    """And the next build, without it, is as if it had never been."""
    landing = add_to_ledger(landed_once, tmp_path, line)
    warehouse = open_duckdb(landing, tmp_path)
    files = "amplitude_staging.stg_amplitude__landed_files"
    selected = ("--select", "+stg_amplitude__landed_files")
    run = warehouse.try_build(*selected)
    assert run.returncode != 0
    assert "make ledger names its file" in run.stdout
    next(landing.glob("ledger/*/*/bad.json")).unlink()
    warehouse.run("--full-refresh", *selected)
    assert warehouse.value(f"select count(*) from {files}") == 1


@pytest.mark.parametrize(
    "line",
    [
        "{not JSON}",
        "[1, 2]",
        '"text"',
        "{}",
        {"event_count": "many"},
        {"event_count": 2},
        {"status": "done"},
        {"is_settled": "yes"},
        {"hour": "yesterday"},
        {"files": ["a"]},
        {"files": [{"key": "events/5/x"}]},
    ],
    ids=str,
)
def test_the_ingest_names_the_file_of_a_malformed_line(line, landed_once, tmp_path):
    landing = add_to_ledger(landed_once, tmp_path, line)
    with pytest.raises(LandingError, match=r"bad\.json in the landing is not a valid"):
        list(read_ledger(FolderLanding(landing), datetime.now(UTC)))


def test_a_file_that_is_bad_is_replaced_by_the_next_export(tmp_path):
    landing = land_lines(tmp_path, json.dumps(event(0)), "{not JSON}")
    folder = export(tmp_path / "export", json.dumps(event(0)), json.dumps(event(1)))
    land(folder, landing, f"START={DAY}", f"END={DAY}", "ARGS=--force")
    warehouse = open_duckdb(landing, tmp_path)
    warehouse.build(*STAGING)
    assert warehouse.value(f"select count(*) from {STAGED}") == 2


def test_equal_rows_are_distinguished(tmp_path):
    """Rows that once had equal keys, or failed a data test without a reason."""
    click = {"event_properties": {TEXT: "Home"}, "event_type": "Click-Nav"}
    other = {"event_properties": {TEXT: "Nav-Home"}, "event_type": "Click"}
    rows = [event(n, **click) for n in range(3)]
    rows += [event(n, **other) for n in range(3, 6)]
    rows += [event(n, event_type=None) for n in range(6, 9)]
    rows += [event(9, **{"$insert_id": "c", "device_id": "a/b"})]
    rows += [event(10, **{"$insert_id": "b/c", "device_id": "a"})]
    rows += [event(11, uuid=""), event(12, uuid=""), event(13, **{"$insert_id": ""})]
    rows += [event(14, **{"$insert_id": ""}), event(15, uuid="twice")]
    rows += [event(16, uuid="twice"), {"uuid": "17", "$insert_id": "x"}]
    lines = [json.dumps(row) for row in rows]
    landing = land_lines(tmp_path, *lines[:-1], "", lines[-1], "{}")
    warehouse = open_duckdb(landing, tmp_path)
    warehouse.build(*WITHOUT_ANALYSES)
    assert warehouse.value(f"select count(*) from {BASE}") == len(rows) + 1
    # All but the second of the two with one uuid.
    assert warehouse.value(f"select count(*) from {STAGED}") == len(rows)
    clicks = warehouse.rows(
        "select event_type, element, event_count"
        " from amplitude.amplitude__repeat_clicks"
    )
    assert sorted(clicks, key=str) == [
        ("Click", "Nav-Home", 3),
        ("Click-Nav", "Home", 3),
        ("Seen", None, 7),
        (None, None, 3),
    ]


def test_the_same_bytes_may_be_exported_for_two_hours(tmp_path):
    line = json.dumps(event(0))
    export(tmp_path / "export", line, hour=0)
    landing = tmp_path / "landing"
    land(
        export(tmp_path / "export", line, hour=1), landing, f"START={DAY}", f"END={DAY}"
    )
    warehouse = open_duckdb(landing, tmp_path)
    warehouse.build(*STAGING)
    assert warehouse.value(f"select count(*) from {BASE}") == 2
    assert warehouse.value(f"select count(*) from {STAGED}") == 1


def test_a_too_large_hour_is_reported_until_it_is_accepted(tmp_path):
    landing = tmp_path / "landing"
    with serve() as api:
        api.faults.add("too_large", hours=["20260112T05"], times=None)
        settings = {"LANDING": str(landing)}
        window = ("START=2026-01-12T04", "END=2026-01-12T06")
        run = make("ingest", *window, environment=api.environment | settings)
        assert "make: *** [Makefile" in run.stdout
    warehouse = open_duckdb(landing, tmp_path)
    run = warehouse.try_build(*STAGING)
    assert run.returncode != 0
    assert "Failure in test assert_no_upload_hour_is_too_large" in run.stdout
    assert warehouse.value(f"select count(*) from {STAGED}") > 0
    hour = "100500123/2026-01-12 05:00:00"
    warehouse.build(*STAGING, "--vars", f'{{too_large_hours_accepted: ["{hour}"]}}')


def test_an_hour_exported_anew_doubles_no_event(tmp_path):
    folder = export(tmp_path / "export", *(json.dumps(event(n)) for n in range(5)))
    landing = tmp_path / "landing"
    window = (f"START={DAY}", f"END={DAY}")
    land(folder, landing, *window)
    export(folder, *(json.dumps(event(n)) for n in range(7)))
    land(folder, landing, *window, "ARGS=--force")
    warehouse = open_duckdb(landing, tmp_path)
    warehouse.build(*STAGING)
    assert warehouse.value(f"select count(*) from {BASE}") == 12
    assert warehouse.value(f"select count(*) from {STAGED}") == 7
    assert warehouse.value(f"select count(distinct landing_key) from {STAGED}") == 1


# ------------------------------------------------- each test fails on a planted fault


def test_a_line_that_is_not_json_fails_the_build_and_loses_no_other(tmp_path):
    landing = land_lines(tmp_path, json.dumps(event(0)), "{not JSON}")
    warehouse = open_duckdb(landing, tmp_path)
    run = warehouse.try_build(*STAGING)
    assert run.returncode != 0
    assert "assert_every_landed_line_is_json" in run.stdout
    assert warehouse.value(f"select count(*) from {BASE}") == 2
    warehouse.build(*STAGING, "--vars", "{unparsed_lines_allowed: 1}")
    assert warehouse.value(f"select count(*) from {STAGED}") == 1


PLANTED = {
    "assert_every_event_of_the_ledger_is_loaded": f"delete from {BASE}"
    " where file_row_number = 1 and landing_key like '%/2026-01-14/05/%'",
    "assert_every_landed_event_is_staged_once": f"insert into {REMOVED} by name"
    f" select min(landed_row_id) as landed_row_id, true as is_removed"
    f" from {STAGED}",
    "assert_every_landed_row_is_staged_or_removed": f"insert into {REMOVED} by name"
    f" select min(landed_row_id) as landed_row_id, true as is_removed"
    f" from {REMOVED}",
    "assert_every_event_of_a_session_is_counted_in_it": "delete from"
    " amplitude.amplitude__sessions where session_number = 2",
    "assert_every_event_is_counted_on_its_day": "update"
    " amplitude.amplitude__daily_performance set user_count = user_count + 1"
    " where event_type = 'Till Sale'",
    "assert_every_user_is_new_once": "update amplitude.amplitude__daily_performance"
    " set new_user_count = 0 where event_type = 'Email Sent'",
    "assert_every_upload_hour_is_accounted_for": "update"
    " amplitude.amplitude__load_audit set landed_row_count = landed_row_count - 1"
    " where upload_hour_id like '%2026-01-14 05:00:00'",
    "assert_every_repeated_event_is_counted_once": "update"
    " amplitude.amplitude__repeat_clicks set event_count = event_count + 1"
    " where repeat_click_id ="
    " (select min(repeat_click_id) from amplitude.amplitude__repeat_clicks)",
    "assert_every_earning_event_is_of_one_purchase": "delete from"
    " amplitude_intermediate.int_amplitude__purchases"
    " where event_type = 'Till Sale'",
}


@of_the_sample
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name, sample_duckdb, tmp_path):
    run = build_with_planted_faults(sample_duckdb, tmp_path, {name: PLANTED[name]})
    assert f"Failure in test {name}" in run.stdout


# All at once: each is found by the test that looks for it.
PLANTED_IN_ANALYSES = {
    "assert_every_active_user_is_in_one_state": "update"
    " amplitude.amplitude__lifecycle"
    " set dormant_user_count = dormant_user_count + 1"
    " where period = 'day' and period_started_date = '2026-01-14'",
    "assert_every_user_is_in_one_cohort": "update amplitude.amplitude__retention"
    " set cohort_user_count = cohort_user_count - 1"
    " where basis = 'rolling' and period = 'week' and cohort_date = '2026-01-12'",
    "assert_every_page_view_is_counted_once": "update amplitude.amplitude__pages"
    " set exit_count = exit_count + 1 where page_path = '/cart/'",
    "assert_every_event_of_a_session_is_in_its_journey": "delete from"
    " amplitude.amplitude__journeys where event_type = 'Video Started'",
    "assert_everything_is_credited_once": "update amplitude.amplitude__attribution"
    " set new_user_count = 0 where touch = 'last' and channel = 'Email'",
    "assert_every_event_arrives_once": "delete from amplitude.amplitude__lateness"
    " where delay_number = 5",
}


@of_the_sample
def test_faults_planted_in_the_analyses_are_found(sample_duckdb, tmp_path):
    run = build_with_planted_faults(sample_duckdb, tmp_path, PLANTED_IN_ANALYSES)
    for name in PLANTED_IN_ANALYSES:
        assert f"Failure in test {name}" in run.stdout


def build_with_planted_faults(sample_duckdb, folder, faults):
    """Run the tests of that name on a copy of the sample with the faults."""
    shutil.copy(sample_duckdb.settings["WAREHOUSE"], folder)
    warehouse = open_duckdb(sample_duckdb.landing, folder)
    with duckdb.connect(warehouse.settings["WAREHOUSE"]) as connection:
        for fault in faults.values():
            connection.execute(fault)
    run = warehouse.try_build("--select", *faults, "--resource-type", "test")
    assert run.returncode != 0
    return run


@of_the_sample
def test_a_warehouse_whose_second_half_is_missing_is_named(sample_duckdb, tmp_path):
    path = Path(shutil.copy(sample_duckdb.settings["WAREHOUSE"], tmp_path))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    settings = {"WAREHOUSE": str(path)}
    warehouse = Warehouse("duckdb", sample_duckdb.landing, tmp_path, None, settings)
    run = warehouse.make("dbt-build", "--select", "base_amplitude__events")
    assert run.returncode != 0
    path = LINK / path.name
    assert f"move it away (mv {path} {path}.damaged)" in run.stdout
