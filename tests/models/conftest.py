"""The sample export, built through the front door on both targets; random histories."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from histories import HISTORIES, Load, history
from histories import land as land_loads
from warehouses import Warehouse, emulator, land, open_duckdb, open_snowflake

from sandbox.amplitude.export_api import EXPORT_DIR


@pytest.fixture(scope="session")
def sample_landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole sample export, landed."""
    landing = tmp_path_factory.mktemp("sample") / "landing"
    land(EXPORT_DIR, landing, "START=2026-01-12", "END=2026-01-18")
    return landing


@pytest.fixture(scope="session")
def sample_duckdb(
    sample_landing: Path, tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """The sample export, built on DuckDB."""
    warehouse = open_duckdb(sample_landing, tmp_path_factory.mktemp("duckdb"))
    run = warehouse.make("dbt-build")
    assert run.returncode == 0, run.stdout
    return warehouse


# The emulator takes seconds for each: what they show is shown on DuckDB, and here the
# analyses' rows are compared.
UNIT_TESTS_OF_ANALYSES = [
    f"path:models/marts/amplitude/{folder}"
    for folder in ("audience", "behaviour", "revenue")
]


@pytest.fixture(scope="session")
def sample_snowflake(
    sample_landing: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """The sample export, built on the Snowflake emulator."""
    with emulator(sample_landing) as variables:
        folder = tmp_path_factory.mktemp("snowflake")
        warehouse = open_snowflake(sample_landing, folder, variables)
        run = warehouse.make("dbt-build")
        assert run.returncode == 0, run.stdout
        warehouse.unit_test("--exclude", *UNIT_TESTS_OF_ANALYSES)
        yield warehouse


@pytest.fixture(scope="session", params=["duckdb", "snowflake"])
def sample(request: pytest.FixtureRequest) -> Warehouse:
    """The sample export, built on each target."""
    return request.getfixturevalue(f"sample_{request.param}")


SEED = int(os.environ.get("MODEL_SEED", "2"))
LOADS = 4


@pytest.fixture(scope="session")
def loads() -> list[list[Load]]:
    """For each load, what lands of every project."""
    projects = [history(SEED, str(100 + number), LOADS) for number in range(HISTORIES)]
    return [list(parts) for parts in zip(*projects, strict=True)]


@pytest.fixture(scope="session")
def landing_of_all(loads, tmp_path_factory) -> Path:
    landing = tmp_path_factory.mktemp("all") / "landing"
    for parts in loads:
        land_loads(landing, parts)
    return landing


@pytest.fixture(scope="session")
def refreshed(landing_of_all, tmp_path_factory) -> Warehouse:
    """Everything in one build."""
    warehouse = open_duckdb(landing_of_all, tmp_path_factory.mktemp("refreshed"))
    warehouse.run()
    return warehouse
