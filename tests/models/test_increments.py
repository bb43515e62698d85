"""Built load by load, in whatever order loads come, every model holds what one full
refresh holds."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import duckdb
import pytest
import reference
from histories import HISTORIES, Load, land
from warehouses import (
    REPOSITORY,
    Warehouse,
    emulator,
    open_duckdb,
    open_snowflake,
    told,
)

from sandbox.snowflake import load
from sandbox.snowflake.statements import faults

on_duckdb = pytest.mark.xdist_group("increments")
on_snowflake = pytest.mark.xdist_group("increments on snowflake")

MODELS = sorted(REPOSITORY.glob("dbt/models/**/*.sql"))
SCHEMAS = {
    "staging": "amplitude_staging",
    "intermediate": "amplitude_intermediate",
    "marts": "amplitude",
}
# Logs of affected keys, and models that exist with merges only.
PASSING = {"stg_amplitude__affected_session_days", "int_amplitude__affected_activity"}
OF_MERGES = {"base_amplitude__merges", "stg_amplitude__merges"}
# What a row tells of the build and load it came with; and how often a thing was decided
# otherwise before.
IGNORED = {
    "loaded_at",
    "file_modified_at",
    "file_content_key",
    "batch_number",
    "identity_id",
    "assignment_number",
}
# Rows that a model keeps of what no longer is so.
PRESENT = {
    "stg_amplitude__excluded_rows": "is_removed",
    "stg_amplitude__identities": "is_current and user_id != amplitude_id",
}


# Histories have hours that are too large and lines that are not JSON.
FAIL_BY_DESIGN = [
    "assert_no_upload_hour_is_too_large",
    "assert_every_landed_line_is_json",
    # A repeated row may be all of two files, of different hours.
    "assert_no_file_is_in_the_folder_of_another_hour",
]


def compared(with_merges: bool = False) -> list[Path]:
    left_out = PASSING if with_merges else PASSING | OF_MERGES
    return [path for path in MODELS if path.stem not in left_out]


def contents(warehouse: Warehouse, model: Path) -> Counter[str]:
    """The rows of a model, each as text."""
    schema = SCHEMAS[model.relative_to(REPOSITORY / "dbt/models").parts[0]]
    table = f"{schema}.{model.stem}"
    if model.stem in PRESENT:
        table = f"(select * from {table} where {PRESENT[model.stem]}) as present"
    return Counter(
        json.dumps(
            {name: row[name] for name in sorted(row.keys() - IGNORED)}, default=str
        )
        for row in warehouse.table(table)
    )


Contents = dict[str, Counter[str]]


def all_contents(warehouse: Warehouse, with_merges: bool = False) -> Contents:
    return {path.stem: contents(warehouse, path) for path in compared(with_merges)}


def differences(one: Contents, other: Contents) -> dict:
    """For each model that differs, the rows that only one of them has."""
    return {
        model: (
            sorted((rows - other[model]).elements()),
            sorted((other[model] - rows).elements()),
        )
        for model, rows in one.items()
        if rows != other[model]
    }


@pytest.fixture(scope="module")
def expected(refreshed: Warehouse) -> Contents:
    """What one full refresh holds."""
    return all_contents(refreshed)


def build_load_by_load(warehouse: Warehouse, loads: list[list[Load]]) -> None:
    """Land and build. The third build is killed, and nothing rebuilt before the fourth
    load. Before the others some models are built alone: base, or any. The second leaves
    out the analyses."""
    random = Random("builds")
    for number, parts in enumerate(loads):
        land(warehouse.landing, parts)
        if number == 2:
            warehouse.kill_run(after=random.randint(5, 40))
            continue
        if number == 1:
            warehouse.run("--select", "base_amplitude__events+1")
        if number == 3:
            some = random.sample([model.stem for model in compared()], 12)
            warehouse.run("--select", *some)
        warehouse.run(*["--exclude", "tag:analyses"] * (number == 1))


@on_duckdb
def test_increments_in_any_order_equal_a_full_refresh(loads, expected, tmp_path):
    warehouse = open_duckdb(tmp_path / "landing", tmp_path)
    build_load_by_load(warehouse, loads)
    found = differences(all_contents(warehouse), expected)
    assert not found, told(found)
    # And what dbt itself tests of them holds, but for what fails by design.
    warehouse.test("--exclude", *FAIL_BY_DESIGN)
    # Some models are rebuilt alone; then a build finds nothing new.
    warehouse.run("--full-refresh", "--select", "int_amplitude__session_days+")
    warehouse.run()
    found = differences(all_contents(warehouse), expected)
    assert not found, told(found)


SETTINGS = {
    "reporting_timezone": "America/New_York",
    "duplicate_window_days": 7,
    "inactive_event_types": ["session_start"],
    "excluded_traffic": ["internal"],
    "attribution_window_days": 7,
    "projects": [str(100 + number) for number in range(5, HISTORIES)],
    "funnels": {
        "buy": {
            "order": "this",
            "window_hours": 30,
            "steps": [
                {"name": "Seen", "event_type": "[Amplitude] Page Viewed"},
                {"name": "Bought", "event_type": "Bought"},
            ],
        },
        "any": {
            "order": "any",
            "window_hours": 800,
            "steps": [
                {
                    "name": "Bought",
                    "event_type": "Bought",
                    "properties": {"utm_source": ["x"]},
                },
                {
                    "name": "Seen",
                    "event_type": ["[Amplitude] Page Viewed", "session_start"],
                },
            ],
        },
        "again": {
            "order": "this",
            "window_hours": 2,
            "steps": [
                {"name": "Bought", "event_type": "Bought"},
                {"name": "Any", "event_type": ["Bought", "Product Viewed"]},
                {"name": "Again", "event_type": "Bought"},
            ],
        },
    },
}


@on_duckdb
def test_merges_that_come_late_equal_merges_from_the_start(
    loads, landing_of_all, tmp_path
):
    """With other settings too."""
    changed = SETTINGS | {
        "use_merges": True,
        "too_large_hours_accepted": too_large_hours(loads[0]),
    }
    settings = ("--vars", json.dumps(changed))
    project = with_internal_traffic(tmp_path)
    late = open_duckdb(tmp_path / "landing", tmp_path)
    late.project = project
    for parts in (loads[0], loads[1], loads[2] + loads[3]):
        land(late.landing, parts)
        add_merges(late, parts)
        late.run(*settings)
    (tmp_path / "whole").mkdir()
    whole = open_duckdb(landing_of_all, tmp_path / "whole")
    whole.project = project
    for parts in loads:
        add_merges(whole, parts)
    whole.run(*settings)
    found = differences(
        all_contents(late, with_merges=True), all_contents(whole, with_merges=True)
    )
    assert not found, told(found)
    merges = [merge for parts in loads for part in parts for merge in part.merges]
    found = reference.differences(whole, changed, merges)
    assert not found, told(found)


def too_large_hours(parts: list[Load]) -> list[str]:
    lines = [line for part in parts for line in part.ledger]
    return [
        f"{line.project}/{line.hour:%F %T}"
        for line in lines
        if line.status == "too_large"
    ]


def with_internal_traffic(folder: Path) -> Path:
    """The project, with a rule that the people of one device are internal."""
    project = Path(shutil.copytree(REPOSITORY / "dbt", folder / "dbt"))
    with (project / "seeds/traffic_rules.csv").open("a") as rules:
        rules.write("internal,device_id,%-2,a test\n")
    return project


def add_merges(warehouse: Warehouse, parts: list[Load]) -> None:
    """Add to the table that a company would load from Amplitude's export of merges."""
    with duckdb.connect(warehouse.settings["WAREHOUSE"]) as connection:
        connection.execute("create schema if not exists amplitude")
        connection.execute(
            "create table if not exists amplitude.merges (amplitude_id bigint,"
            " merged_amplitude_id bigint, merge_event_time timestamp,"
            " merge_server_time timestamp, project_id bigint)"
        )
        for project, merged, target in [one for part in parts for one in part.merges]:
            connection.execute(
                "insert into amplitude.merges values"
                f" ({target}, {merged}, '2026-02-01', '2026-02-01', {project})"
            )


@pytest.fixture(scope="module")
def few(loads) -> list[list[Load]]:
    """A few histories, in fewer loads."""
    return [
        [part for parts in some for part in parts[:5]]
        for some in (loads[:2], loads[2:])
    ]


@pytest.fixture(scope="module")
def on_emulator(few, tmp_path_factory) -> Iterator[Warehouse]:
    """The first of these, on the emulator, built."""
    folder = tmp_path_factory.mktemp("snowflake")
    land(folder / "landing", few[0])
    with emulator(folder / "landing") as variables:
        warehouse = open_snowflake(folder / "landing", folder, variables)
        warehouse.run()
        yield warehouse


@on_snowflake
def test_increments_equal_a_full_refresh_on_snowflake(few, on_emulator, tmp_path):
    """On the emulator and DuckDB, after a build that failed between the deletion of a
    model's rows and their insertion."""
    land(on_emulator.landing, few[1])
    load(on_emulator.settings)
    model = "amplitude_intermediate.int_amplitude__session_days"
    faults.append(re.compile(rf"insert into \S*{model}\b"))
    with pytest.raises(AssertionError, match="aborted by a fault of the test"):
        on_emulator.run()
    assert not faults
    on_emulator.run()
    duckdb_warehouse = open_duckdb(on_emulator.landing, tmp_path)
    duckdb_warehouse.run()
    found = differences(all_contents(on_emulator), all_contents(duckdb_warehouse))
    assert not found, told(found)


# Faults that one build shows, each by what the model forgets: the text that goes, and
# what is there instead.
FAULTS = {
    "whose user changed": {
        "intermediate/amplitude/int_amplitude__affected_activity.sql": (
            """from identities
    where batch_number > {{ watermark() }}""",
            "from identities where false",
        ),
    },
    "copies of repeats": {
        "staging/amplitude/stg_amplitude__excluded_rows.sql": (
            "from other_copies",
            "from other_copies where false",
        ),
    },
    "what sessions were before, and clicks that are gone": {
        "marts/amplitude/amplitude__sessions.sql": (
            "or known_previous_ended_at is distinct from previous_ended_at",
            "",
        ),
        "intermediate/amplitude/int_amplitude__session_events.sql": (
            'meta={"affected": "int_amplitude__affected_activity"},',
            "",
        ),
        "intermediate/amplitude/int_amplitude__conversion_candidates.sql": (
            'meta={"affected": "stg_amplitude__affected_session_days"},',
            "",
        ),
    },
    "users outside of sessions, first days of old, clicks that are gone": {
        "marts/amplitude/amplitude__users.sql": (
            """from {{ affected_activity }}
    where""",
            """from {{ affected_activity }}
    where session_id is not null and""",
        ),
        "marts/amplitude/amplitude__daily_performance.sql": (
            "select * from first_days\n    union",
            "",
        ),
        "marts/amplitude/behaviour/amplitude__journeys.sql": (
            'meta={"affected": "int_amplitude__affected_activity"},',
            "",
        ),
    },
}


@on_duckdb
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_model_is_found(fault, loads, expected, tmp_path):
    project = shutil.copytree(REPOSITORY / "dbt", tmp_path / "dbt")
    for path, (right, wrong) in FAULTS[fault].items():
        model = project / "models" / path
        text = model.read_text()
        assert right in text
        model.write_text(text.replace(right, wrong))
    warehouse = open_duckdb(tmp_path / "landing", tmp_path)
    warehouse.project = project
    for parts in (loads[0] + loads[1], loads[2] + loads[3]):
        land(warehouse.landing, parts)
        warehouse.run()
    found = differences(all_contents(warehouse), expected).keys()
    at_fault = {Path(path).stem for path in FAULTS[fault]}
    # The logs of affected keys are not compared themselves.
    assert found >= at_fault - PASSING and found
