"""On Snowflake a failed statement changes nothing, and the next build is complete."""

import json
import re
from collections.abc import Iterator

import pytest
from histories import land
from test_increments import PASSING, all_contents, contents, differences
from warehouses import REPOSITORY, Warehouse, emulator, open_snowflake, told

from sandbox.snowflake import load
from sandbox.snowflake.statements import faults

pytestmark = pytest.mark.xdist_group("failed statements")

WITHOUT_TESTS = ("--exclude-resource-type", "test", "unit_test")
PATHS = {path.stem: path for path in REPOSITORY.glob("dbt/models/**/*.sql")}


@pytest.fixture(scope="module")
def on_emulator(loads, tmp_path_factory) -> Iterator[Warehouse]:
    """A few histories on the emulator: half of the loads built, the other half loaded.

    With one thread, so that the session in which a statement has failed goes on with
    other models, whose DDL would commit what is still open.
    """
    folder = tmp_path_factory.mktemp("failed")
    first, second = loads[:2], loads[2:]
    land(folder / "landing", [part for parts in first for part in parts[:3]])
    with emulator(folder / "landing") as variables:
        variables["DBT_THREADS"] = "1"
        warehouse = open_snowflake(folder / "landing", folder, variables)
        warehouse.run()
        land(warehouse.landing, [part for parts in second for part in parts[:3]])
        load(warehouse.settings)
        yield warehouse


def incremental_models(warehouse: Warehouse) -> dict[str, dict]:
    """The configuration of each, by name."""
    manifest = json.loads(
        (warehouse.folder / "dbt_snowflake/manifest.json").read_text()
    )
    return {
        node["name"]: node["config"]
        for node in manifest["nodes"].values()
        if node["package_name"] == "amplitude_warehouse"
        and node["config"]["materialized"] == "amplitude_incremental"
    }


def failed_models(warehouse: Warehouse) -> set[str]:
    results = json.loads(
        (warehouse.folder / "dbt_snowflake/run_results.json").read_text()
    )
    return {
        result["unique_id"].split(".")[-1]
        for result in results["results"]
        if result["status"] == "error"
    }


def test_after_each_failed_statement_the_next_build_is_complete(on_emulator):
    """Each INSERT and each DELETE of each incremental model fails once. A failed model
    is as it was; when all have failed, every model equals a full refresh."""
    models = incremental_models(on_emulator)
    assert len(models) > 10
    planted = {
        re.compile(rf'\b{verb}\s+\S*\.{name}"?\s', re.I): (verb, name)
        for name in models
        for verb in ("insert into", "delete from")
    }
    faults.extend(planted)
    compared = {name: PATHS[name] for name in models.keys() - PASSING}
    before = {name: contents(on_emulator, path) for name, path in compared.items()}
    needed = "+config.materialized:amplitude_incremental"
    selected, failed = [needed], {""}
    while failed:
        waiting = len(faults)
        try:
            on_emulator.run("--select", *selected)
        except AssertionError:
            assert len(faults) < waiting, "the build failed by itself"
        failed = failed_models(on_emulator)
        selected = [f"{name}+,{needed}" for name in failed]
        # A model fails until both of its statements have failed, and then succeeds.
        after = {
            name: contents(on_emulator, compared[name])
            for name in failed & compared.keys()
        }
        changed = differences(after, before)
        assert not changed, told(changed)
    on_emulator.run()
    never = {planted[fault] for fault in faults}
    faults.clear()
    # Models that only grow delete nothing.
    assert {verb for verb, _ in never} == {"delete from"}
    assert all(
        models[name]["incremental_strategy"] == "append" and name not in PASSING
        for _, name in never
    )
    found = all_contents(on_emulator)
    on_emulator.run("--full-refresh")
    found = differences(found, all_contents(on_emulator))
    assert not found, told(found)
