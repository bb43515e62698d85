"""The sample export, built through the front door on both targets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from warehouses import Warehouse, land, open_duckdb, open_snowflake

from sandbox.export_api import EXPORT_DIR
from sandbox.snowflake import emulator


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
    warehouse.build()
    warehouse.unit_test()
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
        warehouse.build()
        warehouse.unit_test("--exclude", *UNIT_TESTS_OF_ANALYSES)
        yield warehouse


@pytest.fixture(scope="session", params=["duckdb", "snowflake"])
def sample(request: pytest.FixtureRequest) -> Warehouse:
    """The sample export, built on each target."""
    return request.getfixturevalue(f"sample_{request.param}")
