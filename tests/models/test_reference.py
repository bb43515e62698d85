"""Every row of every mart against an independent reference in Python."""

from pathlib import Path

import pytest
import reference
from histories import Row
from warehouses import REPOSITORY, Warehouse, told

of_sample = pytest.mark.xdist_group("sample")
of_histories = pytest.mark.xdist_group("increments")

MARTS = {path.stem for path in REPOSITORY.glob("dbt/models/marts/**/*.sql")}


@pytest.fixture(scope="session")
def marts_of_sample(sample_landing: Path) -> dict[str, list[Row]]:
    return reference.marts(sample_landing)


@of_sample
def test_the_reference_has_every_mart_and_rows_in_each(marts_of_sample):
    assert marts_of_sample.keys() == MARTS
    assert all(marts_of_sample.values())


@of_sample
def test_marts_of_the_sample_equal_the_reference(sample, marts_of_sample):
    found = reference.differences(sample, expected=marts_of_sample)
    assert not found, told(found)


@of_histories
def test_marts_of_random_histories_equal_the_reference(refreshed: Warehouse):
    found = reference.differences(refreshed)
    assert not found, told(found)


@of_histories
def test_a_difference_in_any_mart_is_found(refreshed: Warehouse):
    """One row that is missing, one that is there twice and one other value in each."""
    right = {name: refreshed.table(f"amplitude.{name}") for name in MARTS}
    right = {name: rows for name, rows in right.items() if rows}
    for change in (
        lambda rows: rows[1:],
        lambda rows: [*rows, rows[0]],
        lambda rows: [rows[0] | {"project_id": "other"}, *rows[1:]],
    ):
        wrong = {name: change(rows) for name, rows in right.items()}
        found = reference.differences(refreshed, expected=wrong)
        assert found.keys() == right.keys()
