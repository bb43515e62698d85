"""Built load by load, in whatever order loads come, every model holds what one full
refresh holds."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from histories import Load, history
from warehouses import REPOSITORY, Warehouse, open_duckdb

pytestmark = pytest.mark.xdist_group("increments")

# Every key holds the project, so each project is a history of its own.
HISTORIES = int(os.environ.get("MODEL_HISTORIES", "40"))
SEED = int(os.environ.get("MODEL_SEED", "1"))
LOADS = 5

MODELS = sorted(REPOSITORY.glob("dbt/models/**/*.sql"))
SCHEMAS = {
    "staging": "amplitude_staging",
    "intermediate": "amplitude_intermediate",
    "marts": "amplitude",
}
# What one build leaves for the next model to read, and what is there with merges only.
PASSING = {"stg_amplitude__changes", "int_amplitude__touched_users"}
OF_MERGES = {"base_amplitude__merges", "stg_amplitude__merges"}
# What a row tells of the build and load it came with; and how often a thing was decided
# otherwise before.
IGNORED = {
    "loaded_at",
    "file_modified_at",
    "file_content_key",
    "build_number",
    "identity_id",
    "assignment_number",
}
# Rows that a model keeps of what no longer is so.
PRESENT = {
    "stg_amplitude__removed_rows": "is_removed",
    "stg_amplitude__identities": "is_current and user_id != amplitude_id",
}


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


def differences(one: Warehouse, other: Warehouse, models: list[Path]) -> dict:
    """For each model that differs, the rows that only one of them has."""
    found = {}
    for model in models:
        of_one, of_other = contents(one, model), contents(other, model)
        if of_one != of_other:
            only_one = sorted((of_one - of_other).elements())
            only_other = sorted((of_other - of_one).elements())
            found[model.stem] = (only_one, only_other)
    return found


def told(found: dict) -> str:
    return "\n\n".join(
        f"{model}: {len(one)} rows only in the first, {len(other)} only in the other\n"
        + "\n".join([*one[:2], "---", *other[:2]])
        for model, (one, other) in found.items()
    )


@pytest.fixture(scope="module")
def loads() -> list[list[Load]]:
    """For each load, what lands of every project."""
    projects = [
        history(SEED, str(100 + number), LOADS) for number in range(HISTORIES)
    ]
    return [list(parts) for parts in zip(*projects, strict=True)]


def land(landing: Path, parts: list[Load], name: str) -> None:
    for part in parts:
        part.land(landing, name)


@pytest.fixture(scope="module")
def landing_of_all(loads, tmp_path_factory) -> Path:
    landing = tmp_path_factory.mktemp("all") / "landing"
    for number, parts in enumerate(loads):
        land(landing, parts, f"load-{number}")
    return landing


@pytest.fixture(scope="module")
def refreshed(landing_of_all, tmp_path_factory) -> Warehouse:
    """Everything in one build."""
    warehouse = open_duckdb(landing_of_all, tmp_path_factory.mktemp("refreshed"))
    warehouse.run()
    return warehouse


def test_increments_in_any_order_equal_a_full_refresh(loads, refreshed, tmp_path):
    warehouse = open_duckdb(tmp_path / "landing", tmp_path)
    for number, parts in enumerate(loads):
        land(warehouse.landing, parts, f"load-{number}")
        if number in (1, 3):
            # A build that dies: what it has loaded is left to the next.
            warehouse.run("--select", "base_amplitude__events+1")
        if number == 3:
            continue
        warehouse.run()
    found = differences(warehouse, refreshed, compared())
    assert not found, told(found)
    # And what dbt itself tests of them holds.
    warehouse.test()
