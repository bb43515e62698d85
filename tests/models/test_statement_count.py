"""What a build costs on Snowflake, where each statement takes time and credits."""

import re
from collections import Counter

import pytest
from warehouses import Warehouse

pytestmark = pytest.mark.xdist_group("sample")

MOST_WITH_NOTHING_NEW = 250


def statements(warehouse: Warehouse, *arguments: str) -> Counter[str]:
    """How many statements a build sends, by the kind of node that sends them."""
    log = warehouse.folder / "logs/dbt.log"
    log.unlink()
    warehouse.build(*arguments)
    sent = re.findall(r"Using snowflake connection \"(\w+)", log.read_text())
    return Counter(sent)


def test_a_build_with_nothing_new_sends_few_statements(sample_snowflake):
    """Tests included."""
    sent = statements(sample_snowflake)
    assert sent["test"] > 100
    assert sent.total() <= MOST_WITH_NOTHING_NEW, sent
