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


def test_models_are_built_with_the_same_session_parameters(sample_snowflake):
    """Whatever the account and its users have set: weeks, types, texts of dates."""
    built = ["amplitude__stickiness", "amplitude__periods", "amplitude__lateness"]
    log = sample_snowflake.folder / "logs/dbt.log"
    log.unlink(missing_ok=True)
    sample_snowflake.dbt("run", "--full-refresh", "--select", *built)
    text = log.read_text()
    for model in built:
        said = rf"On model\.amplitude_warehouse\.{model}: (.*?)/\*"
        sent = re.findall(said, text, re.DOTALL)
        kinds = [" ".join(statement.split())[:17].lower() for statement in sent]
        assert "alter session set" in kinds, kinds
        creates = [number for number, kind in enumerate(kinds) if "create" in kind]
        assert creates and kinds.index("alter session set") < creates[0], kinds
    [pinned] = set(re.findall(r"alter session set (.*?)\s*/\*", text))
    for parameter in ("week_start = 1", "timestamp_type_mapping = 'TIMESTAMP_NTZ'"):
        assert parameter in pinned
