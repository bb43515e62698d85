"""What dbt sends to Snowflake is Snowflake's SQL: proved without an account."""

from collections.abc import Iterator

import pytest
from histories import history, land
from snowflake_sql import Reader, Statement, faults
from warehouses import Warehouse, emulator, open_snowflake

from sandbox.snowflake import load

pytestmark = pytest.mark.xdist_group("snowflake sql")

PROJECTS = ("100", "101", "102")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Everything that a build sends: first, with more files, and with nothing new; the
    tests, whatever they find in random histories; and the report's queries."""
    folder = tmp_path_factory.mktemp("warehouse")
    histories = [history(2, project, 2) for project in PROJECTS]
    first, second = (list(parts) for parts in zip(*histories, strict=True))
    land(folder / "landing", first)
    with emulator(folder / "landing") as variables:
        warehouse = open_snowflake(folder / "landing", folder, variables)
        warehouse.run()
        land(folder / "landing", second)
        load(variables)
        warehouse.run()
        warehouse.run()
        warehouse.try_dbt("test", "--exclude-resource-type", "unit_test")
        warehouse.dbt("compile", "--select", "path:analyses")
        yield warehouse


def test_snowflake_takes_every_statement(built):
    assert not faults(built)


RAW = {"RAW": {"S": {"T": {"ID": "NUMBER", "NAME": "TEXT", "AT": "TIMESTAMP_NTZ"}}}}


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("select date_trunc('week', at) as week from raw.s.t", "on WEEK_START"),
        (
            "create view a.b.v as (select at::varchar as x from raw.s.t)",
            "output format",
        ),
        ("select current_date() as x from raw.s.t", "depends on TIMEZONE"),
        ("select max(at::timestamp) as x from raw.s.t", "TIMESTAMP_TYPE_MAPPING"),
        ("select cast(at as timestamp) as x from raw.s.t", "TIMESTAMP_TYPE_MAPPING"),
        (
            "delete from raw.s.t where id in (select id from raw.s.t)"
            " or id in (select max(id) from raw.s.t)",
            "prunes no deletion",
        ),
        ("select id from raw.s.t where", "sqlfluff: "),
        ("create table x as (select nam from raw.s.t)", "'NAM' could not be resolved"),
        ("select id from raw.s.t where id = name", "number and text in one"),
        ("select coalesce(at, name) as x from raw.s.t", "text and time in one"),
        ("select id from raw.s.t union all select at from raw.s.t", "number and time"),
        ("select list_sort(name) as x from raw.s.t", "functions: list_sort"),
        (
            "select id from raw.s.t qualify row_number() over (order by at desc) = 1",
            "DuckDB has nulls last, Snowflake first",
        ),
        (
            "execute immediate $$\nbegin\n    begin transaction;\n"
            "    insert into a.b.c (select nam from raw.s.t);\n    commit;\nend;\n$$",
            "'NAM' could not be resolved",
        ),
    ],
)
def test_a_fault_is_found(sql, fault):
    found = list(Reader(RAW).faults(Statement("test.of_this", sql)))
    assert any(fault in each for each in found), found


def test_what_was_created_is_known():
    reader = Reader(RAW)
    create = "create table a.b.c as (select id as key, max(at) as newest from raw.s.t"
    create += " group by 1)"
    assert not list(reader.faults(Statement("model.c", create)))
    right = "select newest from a.b.c where key > 1"
    assert not list(reader.faults(Statement("test.c", right)))
    [fault] = reader.faults(
        Statement("test.c", "select key from a.b.c where newest > 1")
    )
    assert "number and time in one" in fault
