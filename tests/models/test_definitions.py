"""A changed definition never mixes with rows that the old one made: the next build
rebuilds the model and what reads it, and says so."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from test_increments import all_contents, differences
from warehouses import REPOSITORY, Warehouse, land, open_duckdb, told

from sandbox.amplitude.export_api import EXPORT_DIR

pytestmark = pytest.mark.xdist_group("definitions")

FUNNELS = {
    "search": {
        "order": "this",
        "window_hours": 24,
        "steps": [
            {"name": "Search", "event_type": "Search Performed"},
            {"name": "View", "event_type": "Product Viewed"},
        ],
    }
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of the sample, built from a copy of the project."""
    folder = tmp_path_factory.mktemp("built")
    warehouse = open_duckdb(folder / "landing", folder)
    warehouse.project = shutil.copytree(REPOSITORY / "dbt", folder / "dbt")
    land(EXPORT_DIR, warehouse.landing, "START=2026-01-12", "END=2026-01-13")
    warehouse.run()
    return folder


@pytest.fixture
def warehouse(built: Path, tmp_path: Path) -> Warehouse:
    """A copy of it, with its project."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    warehouse = open_duckdb(tmp_path / "landing", tmp_path)
    warehouse.project = tmp_path / "dbt"
    return warehouse


def edit(warehouse: Warehouse, path: str, old: str, new: str) -> None:
    file = warehouse.project / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def rebuilt(output: str) -> dict[str, str]:
    """What dbt said it rebuilds and why; downstream models are only counted."""
    found: dict[str, str] = {}
    for names, reason in re.findall(r"Rebuilding ([\w, ]+) \(([^)]*)\)", output):
        found |= dict.fromkeys(names.split(", "), reason)
    return found


def run(warehouse: Warehouse, **variables: Any) -> str:
    """`dbt build` without tests."""
    given = ["--vars", json.dumps(variables)] if variables else []
    return warehouse.dbt(
        "build", "--exclude-resource-type", "test", "unit_test", *given
    )


def assert_equal_to_a_full_refresh(warehouse: Warehouse, **variables: Any) -> None:
    contents = all_contents(warehouse)
    given = ["--vars", json.dumps(variables)] if variables else []
    warehouse.run("--full-refresh", *given)
    found = differences(contents, all_contents(warehouse))
    assert not found, told(found)


def add_property_column(warehouse: Warehouse) -> None:
    """As docs/recipes.md says."""
    edit(
        warehouse,
        "models/staging/amplitude/base/base_amplitude__events.sql",
        '    "referrer": "JSON",\n',
        '    "referrer": "JSON",\n    "query": "JSON",\n',
    )
    edit(
        warehouse,
        "models/staging/amplitude/base/base_amplitude__events.sql",
        '        {{ json_string("properties", "referrer") }} as referrer,\n',
        '        {{ json_string("properties", "referrer") }} as referrer,\n'
        '        {{ json_string("properties", "query") }} as search_term,\n',
    )
    for path in ("staging/amplitude/stg_amplitude__", "marts/amplitude/amplitude__"):
        edit(
            warehouse,
            f"models/{path}events.sql",
            "        referrer,\n",
            "        referrer,\n        search_term,\n",
        )


def test_a_new_column_is_filled_for_all_history(warehouse):
    before = all_contents(warehouse)["amplitude__events"].total()
    add_property_column(warehouse)
    land(EXPORT_DIR, warehouse.landing, "START=2026-01-14", "END=2026-01-14")
    output = run(warehouse)
    assert rebuilt(output) == dict.fromkeys(
        ["base_amplitude__events", "stg_amplitude__events", "amplitude__events"],
        "its file changed",
    )
    assert re.search(r"Rebuilding \d+ models downstream of these", output)
    filled = (
        "select count(search_term) from amplitude.amplitude__events"
        " where uploaded_date < '2026-01-14'"
    )
    assert warehouse.value(filled) > 0
    assert all_contents(warehouse)["amplitude__events"].total() > before
    assert_equal_to_a_full_refresh(warehouse)


def test_variables_seeds_and_macros_are_part_of_definitions(warehouse):
    """Several change at once, together with new events. A build is killed while it
    rebuilds, and the next one finishes the rebuild."""
    variables = {"funnels": FUNNELS, "inactive_event_types": ["Search Performed"]}
    with (warehouse.project / "seeds/traffic_rules.csv").open("a") as rules:
        rules.write("internal,device_id,a%,a test\n")
    # A bounce by host alone: another result, by a macro.
    edit(
        warehouse,
        "macros/keys/pages.sql",
        '"md5(" ~ page_path_on_host()',
        '"md5(" ~ page_host()',
    )
    edit(
        warehouse,
        "dbt_project.yml",
        "inactive_event_types: []",
        'inactive_event_types: ["Product Viewed"]',
    )
    land(EXPORT_DIR, warehouse.landing, "START=2026-01-14", "END=2026-01-14")
    warehouse.kill_run(after=20)
    assert "models (no record of a finished build)" in run(warehouse, **variables)
    assert_equal_to_a_full_refresh(warehouse, **variables)


def test_comments_white_space_and_descriptions_are_no_change(warehouse):
    path = "models/marts/amplitude/amplitude__lateness.sql"
    edit(warehouse, path, "select\n", "select -- a comment, 'quoted'\n\n        ")
    edit(warehouse, path, "with\n", "{#- another -#}\n/* and 'one more */\nwith\n")
    edit(
        warehouse,
        "models/marts/amplitude/amplitude__lateness.yml",
        "description: >",
        "description: >\n      Changed.",
    )
    output = run(warehouse)
    assert "Rebuilding" not in output
    # Nothing landed, so only the models that read the landing ran.
    built = re.findall(r"OK created .* (\w+)\.{0,40} .*\[OK", output)
    assert output.count("UP TO DATE") > 45
    assert len(built) <= 2, built


def refused(warehouse: Warehouse, **variables: Any) -> str:
    """What dbt says when it may not rebuild what changed."""
    with pytest.raises(AssertionError) as stopped:
        run(warehouse, **variables, rebuild_changed_models=False)
    return str(stopped.value)


def test_a_build_can_stop_instead_of_rebuilding(warehouse):
    """Each kind of change is named, and nothing is built."""
    assert "(the variable funnels changed)" in refused(warehouse, funnels=FUNNELS)
    with (warehouse.project / "seeds/channel_rules.csv").open("a") as rules:
        rules.write("99,Test,,test,,a test\n")
    assert "channel_rules (its file changed)" in refused(warehouse)
    path = next(
        path
        for path in warehouse.project.rglob("macros/**/*.sql")
        if "macro page_key(" in path.read_text()
    )
    path.write_text(
        path.read_text().replace("macro page_key() -%}", "macro page_key() -%} '' ||")
    )
    assert "(a macro, package or setting it uses changed)" in refused(warehouse)
    with duckdb.connect(warehouse.settings["WAREHOUSE"]) as connection:
        connection.execute("drop table amplitude.amplitude__lateness")
    assert "amplitude__lateness (its table is missing)" in refused(warehouse)
    recorded = "select count(*), max(batch_number) from amplitude_staging.model_batches"
    assert warehouse.rows(recorded) == [(52, 1)]


def test_what_reads_a_rebuilt_model_is_rebuilt_whenever_it_is_built(warehouse):
    """Also if the builds are partial."""
    warehouse.run("--full-refresh", "--select", "int_amplitude__session_days")
    warehouse.run("--select", "amplitude__daily_performance")
    output = run(warehouse)
    assert "Rebuilding" in output
    assert_equal_to_a_full_refresh(warehouse)


def test_rows_of_a_killed_build_are_not_forgotten(warehouse):
    """Although a partial build takes the number of the killed one, and the next whole
    build, with a higher number, finds no new file."""
    land(EXPORT_DIR, warehouse.landing, "START=2026-01-14", "END=2026-01-14")
    warehouse.kill_run(model="base_amplitude__events")
    warehouse.run("--select", "base_amplitude__ledger_lines")
    run(warehouse)
    assert_equal_to_a_full_refresh(warehouse)


def test_a_model_that_comes_back_is_rebuilt(warehouse):
    """The logs of affected keys have forgotten what it missed."""
    path = "models/marts/amplitude/amplitude__repeat_clicks.sql"
    reader = "tests/marts/amplitude/assert_every_repeated_event_is_counted_once.sql"
    (warehouse.project / reader).unlink()
    description = (warehouse.project / path).with_suffix(".yml")
    description.write_text(description.read_text().partition("\nunit_tests:")[0])
    edit(warehouse, path, "config(\n", "config(\n        enabled=false,\n")
    # The second build forgets the keys that the first has logged for its readers.
    for day in ("2026-01-14", "2026-01-15"):
        land(EXPORT_DIR, warehouse.landing, f"START={day}", f"END={day}")
        run(warehouse)
    edit(warehouse, path, "        enabled=false,\n", "")
    run(warehouse)
    assert_equal_to_a_full_refresh(warehouse)
