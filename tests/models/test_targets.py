"""Both targets give the same rows."""

import json
from collections import Counter

import pytest
from warehouses import REPOSITORY

pytestmark = pytest.mark.xdist_group("sample")

# What a load adds to a line differs from load to load.
OF_THE_LOAD = {"loaded_at", "file_modified_at", "file_content_key"}

# Not there without a var; empty after a first build.
ABSENT = {"base_amplitude__merges", "stg_amplitude__merges"}
EMPTY = {"stg_amplitude__affected_session_days", "int_amplitude__affected_activity"}
MODELS = sorted(
    path
    for path in REPOSITORY.glob("dbt/models/**/*.sql")
    if path.stem not in ABSENT | EMPTY
)
SCHEMAS = {
    "staging": "amplitude_staging",
    "intermediate": "amplitude_intermediate",
    "marts": "amplitude",
}


def contents(warehouse, model) -> Counter[str]:
    schema = SCHEMAS[model.relative_to(REPOSITORY / "dbt/models").parts[0]]
    return Counter(
        json.dumps(
            {name: row[name] for name in sorted(row.keys() - OF_THE_LOAD)}, default=str
        )
        for row in warehouse.table(f"{schema}.{model.stem}")
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_rows_are_equal_on_both_targets(sample_duckdb, sample_snowflake, model):
    on_duckdb = contents(sample_duckdb, model)
    on_snowflake = contents(sample_snowflake, model)
    assert on_duckdb.total() > 0
    only_duckdb = sorted((on_duckdb - on_snowflake).elements())
    only_snowflake = sorted((on_snowflake - on_duckdb).elements())
    assert only_duckdb[:2] == only_snowflake[:2]
    assert not only_duckdb and not only_snowflake
