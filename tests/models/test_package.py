"""Another project installs this one as a package: it gets the same marts, and its own
models, variables and names stay its own."""

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import pytest
import yaml
from histories import land
from test_increments import all_contents, differences
from warehouses import (
    REPOSITORY,
    Warehouse,
    emulator,
    open_duckdb,
    open_snowflake,
    told,
)

pytestmark = pytest.mark.xdist_group("package")

EXAMPLE = "examples/dbt_package"
PACKAGE = "amplitude_warehouse"
WITHOUT_TESTS = ("--exclude-resource-type", "test", "unit_test")
# Models that read a source are always built.
READ_THE_LANDING = {"base_amplitude__events", "base_amplitude__ledger_lines"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[str]:
    """A package hub that has dbt_utils as it is installed here."""
    folder = tmp_path_factory.mktemp("hub")
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    url = f"http://127.0.0.1:{server.server_port}/"
    with tarfile.open(folder / "dbt_utils.tar.gz", "w:gz") as archive:
        archive.add(REPOSITORY / "dbt/dbt_packages/dbt_utils", "dbt_utils")
    version = {
        "name": "dbt_utils",
        "version": "1.3.0",
        "packages": [],
        "downloads": {"tarball": f"{url}dbt_utils.tar.gz"},
    }
    api = folder / "api/v1"
    (api / "dbt-labs").mkdir(parents=True)
    (api / "index.json").write_text('["dbt-labs/dbt_utils"]')
    package = {
        "name": "dbt_utils",
        "namespace": "dbt-labs",
        "latest": "1.3.0",
        "versions": {"1.3.0": version},
    }
    (api / "dbt-labs/dbt_utils.json").write_text(json.dumps(package))
    Thread(target=server.serve_forever, daemon=True).start()
    yield url
    server.shutdown()
    server.server_close()


def open_example(landing: Path, folder: Path, hub: str) -> Warehouse:
    """A copy of the example beside a copy of dbt/, with nothing installed yet."""
    left_out = shutil.ignore_patterns("dbt_packages", "target", "logs", "*.duckdb")
    shutil.copytree(REPOSITORY / "dbt", folder / "dbt", ignore=left_out)
    warehouse = open_duckdb(landing, folder)
    warehouse.project = shutil.copytree(
        REPOSITORY / EXAMPLE, folder / EXAMPLE, ignore=left_out
    )
    warehouse.settings["DBT_PACKAGE_HUB_URL"] = hub
    return warehouse


def write(warehouse: Warehouse, path: str, text: str) -> None:
    file = warehouse.project / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def configure(warehouse: Warehouse, **settings: dict) -> None:
    """Change the example's dbt_project.yml."""
    path = warehouse.project / "dbt_project.yml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | settings))


def results(warehouse: Warehouse) -> dict[str, str]:
    """What the last build said of each model of the package."""
    path = warehouse.folder / f"dbt_{warehouse.target}/run_results.json"
    return {
        result["unique_id"].split(".")[-1]: result["message"]
        for result in json.loads(path.read_text())["results"]
        if result["unique_id"].startswith(f"model.{PACKAGE}.")
    }


def assert_up_to_date(warehouse: Warehouse) -> None:
    found = results(warehouse)
    assert len(found) > 40
    built = {name for name, message in found.items() if message != "UP TO DATE"}
    assert built == READ_THE_LANDING


@pytest.fixture(scope="module")
def example(hub, sample_landing, tmp_path_factory) -> Warehouse:
    """The example, built from half of the sample, and with its tests from all of it."""
    folder = tmp_path_factory.mktemp("example")
    warehouse = open_example(folder / "landing", folder, hub)
    warehouse.dbt("deps")
    late = shutil.ignore_patterns("2026-01-1[678]")
    shutil.copytree(sample_landing, warehouse.landing, ignore=late)
    warehouse.run()
    shutil.copytree(sample_landing, warehouse.landing, dirs_exist_ok=True)
    warehouse.dbt("build")
    return warehouse


def test_the_example_holds_the_same_rows(example, sample_duckdb):
    found = differences(all_contents(example), all_contents(sample_duckdb))
    assert not found, told(found)
    orders = (
        "select event_date, count(*), count(distinct user_id)"
        " from amplitude.amplitude__events where event_type = 'Order Completed'"
        " group by 1 order by 1"
    )
    counted = example.rows("select * from amplitude.daily_orders order by 1")
    assert counted == sample_duckdb.rows(orders)


def test_a_second_build_finds_everything_up_to_date(example):
    example.run()
    assert_up_to_date(example)


def test_the_package_has_no_overview_of_its_own(example):
    """dbt would show it instead of the one of the project that installs the package."""
    manifest = json.loads((example.folder / "dbt_duckdb/manifest.json").read_text())
    assert f"doc.{PACKAGE}.__overview__" not in manifest["docs"]
    assert f"doc.{PACKAGE}.__{PACKAGE}__" in manifest["docs"]


def test_the_package_can_be_installed_with_git(hub, tmp_path):
    warehouse = open_example(tmp_path / "landing", tmp_path, hub)
    repository = shutil.copytree(tmp_path / "dbt", tmp_path / "repository/dbt").parent
    author = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    for command in (["init"], ["add", "."], ["commit", "-m", "a"], ["tag", "v1"]):
        subprocess.run(
            ["git", *author, *command], cwd=repository, check=True, capture_output=True
        )
    package = {"git": str(repository), "subdirectory": "dbt", "revision": "v1"}
    write(warehouse, "packages.yml", json.dumps({"packages": [package]}))
    warehouse.dbt("deps")
    listed = warehouse.dbt("--quiet", "ls", "--select", f"package:{PACKAGE}")
    assert f"{PACKAGE}.marts.amplitude.amplitude__events" in listed


# What a project may have that gets in the way of a package which is not careful.
FILES = {
    "macros/generate_schema_name.sql": """
        {% macro generate_schema_name(custom_schema_name, node) -%}
            {{ custom_schema_name or target.schema }}
        {%- endmacro %}
    """,
    "models/growing.sql": """
        {{ config(materialized="incremental") }}
        select {{ is_incremental() }} as is_increment
    """,
    "models/other.yml": """
        sources:
          - {name: amplitude, tables: [{name: events}]}
    """,
    "tests/of_the_other_project.sql": """
        {{ config(severity="warn", meta={"row": "no_such_column", "advice": "-"}) }}
        select 1 as one
    """,
}
MERGE = """
create schema landed;
create table landed.merged_ids as select
    '100500123' as project_id, 1 as amplitude_id, 2 as merged_amplitude_id,
    now()::timestamp as merge_event_time, now()::timestamp as merge_server_time
"""


@pytest.fixture
def other(hub, sample_landing, tmp_path) -> Warehouse:
    """The example, with more of its own; not built."""
    warehouse = open_example(sample_landing, tmp_path, hub)
    for path, text in FILES.items():
        write(warehouse, path, text)
    warehouse.dbt("deps")
    return warehouse


def tables(warehouse: Warehouse, name: str) -> list[str]:
    """The schemas that have a table of the name."""
    query = f"select schema_name from duckdb_tables() where table_name = '{name}'"
    return [schema for (schema,) in warehouse.rows(query)]


def test_the_other_projects_models_stay_its_own(other):
    """They are dbt's own in everything, and a build of them alone leaves no trace of
    the package. Where the package's models go is the other project's decision."""
    own = ("--select", "growing", "of_the_other_project", "--vars", "{shade: dark}")
    other.dbt("build", *own)
    other.dbt("build", *own)
    assert other.rows("select * from amplitude.growing order by 1") == [
        (False,),
        (True,),
    ]
    assert tables(other, "model_batches") == []
    other.dbt("build", *WITHOUT_TESTS, "--select", "+stg_amplitude__upload_hours")
    assert tables(other, "stg_amplitude__upload_hours") == ["staging"]
    assert tables(other, "model_batches") == ["staging"]
    other.dbt("build", *WITHOUT_TESTS, "--select", "+stg_amplitude__upload_hours")
    assert results(other)["stg_amplitude__upload_hours"] == "UP TO DATE"


def test_variables_of_the_package_stand_under_its_name(other):
    configure(
        other,
        vars={
            # A variable of the other project that the package knows nothing of.
            "retention_dais": "many",
            PACKAGE: {
                "use_merges": True,
                "amplitude_schema": "landed",
                "amplitude_merges_identifier": "merged_ids",
            },
        },
    )
    with duckdb.connect(other.settings["WAREHOUSE"]) as connection:
        connection.execute(MERGE)
    other.dbt("build", *WITHOUT_TESTS, "--select", "base_amplitude__merges")
    (merge,) = other.table("staging.base_amplitude__merges")
    assert (merge["amplitude_id"], merge["merged_amplitude_id"]) == ("1", "2")
    configure(other, vars={PACKAGE: {"retention_dais": 3, "lifetime_value_days": "x"}})
    with pytest.raises(AssertionError) as stopped:
        other.dbt("parse")
    assert "the nearest known name is retention_days" in str(stopped.value)
    assert 'lifetime_value_days is "x"; it must be' in str(stopped.value)


METRICS = """
models:
  - name: daily_orders
    time_spine: {standard_granularity_column: event_date}
    columns: [{name: event_date, granularity: day}]
semantic_models:
  - name: sessions
    model: ref('daily_orders')
    defaults: {agg_time_dimension: event_date}
    entities: [{name: order_day, type: primary, expr: event_date}]
    dimensions: [{name: event_date, type: time, type_params: {time_granularity: day}}]
    measures: [{name: order_count, agg: sum}]
metrics:
  - {name: sessions, label: Sessions, type: simple, type_params: {measure: order_count}}
"""


def test_a_project_with_metrics_of_the_same_names_can_leave_ours_out(other):
    """And its own time spine stays the only one."""
    (other.project / "models/daily_orders.yml").unlink()
    write(other, "models/metrics.yml", METRICS)
    off = {PACKAGE: {"+enabled": False}}
    configure(
        other,
        vars={PACKAGE: {"use_time_spine": False}},
        metrics=off,
        **{"semantic-models": off},
    )
    other.dbt("parse")
    written = (other.folder / "dbt_duckdb/semantic_manifest.json").read_text()
    manifest = json.loads(written)
    assert [metric["name"] for metric in manifest["metrics"]] == ["sessions"]
    spines = manifest["project_configuration"]["time_spines"]
    assert [spine["node_relation"]["alias"] for spine in spines] == ["daily_orders"]


def test_the_package_builds_on_snowflake(hub, loads, tmp_path):
    """From raw tables in another place; and a failed statement leaves nothing open."""
    landing = tmp_path / "landing"
    land(landing, loads[0][:3])
    settings = open_example(landing, tmp_path, hub)
    configure(
        settings,
        profile="amplitude_warehouse",
        vars={
            PACKAGE: {
                "amplitude_database": "landed",
                "amplitude_schema": "by_others",
                "amplitude_events_identifier": "event_lines",
            }
        },
    )
    with emulator(landing) as account:
        warehouse = open_snowflake(landing, tmp_path, account | settings.settings)
        warehouse.settings["DBT_PROFILES_DIR"] = str(REPOSITORY / "dbt")
        warehouse.project = settings.project
        for statement in (
            "create database landed",
            "create schema landed.by_others",
            "create table landed.by_others.event_lines as"
            " select * from raw.amplitude.events",
            "create table landed.by_others.ledger as"
            " select * from raw.amplitude.ledger",
            "drop table raw.amplitude.events",
            "drop table raw.amplitude.ledger",
        ):
            warehouse.ask(statement)
        warehouse.dbt("deps")
        warehouse.run()
        assert warehouse.value("select count(*) from amplitude.amplitude__events") > 0
        (holder,) = warehouse.rows("select build from amplitude_staging.build_lock")
        assert holder == (None,)
        warehouse.run()
        assert_up_to_date(warehouse)
        run = warehouse.folder / f"dbt_snowflake/run/{PACKAGE}/models"
        for name in READ_THE_LANDING:
            (sql,) = [path.read_text() for path in run.rglob(f"{name}.sql")]
            assert "insert into" in sql
            assert "begin" not in sql.lower()
