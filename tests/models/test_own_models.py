"""What people add: settings.yml and dbt/own, as their examples say."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from warehouses import REPOSITORY, Warehouse, open_duckdb

pytestmark = pytest.mark.xdist_group("settings")

README = (REPOSITORY / "dbt/own/README.md").read_text()


def example(name: str) -> str:
    """The code that the page gives for the file of that name."""
    _, _, rest = README.partition(f"`dbt/own/{name}`:")
    found = re.search(r"```\w+\n(.*?)```", rest, re.DOTALL)
    assert found, name
    return found[1]


@pytest.fixture
def mine(sample_duckdb: Warehouse, tmp_path: Path) -> Warehouse:
    """The built sample, with the examples as settings.yml and dbt/own."""
    own = tmp_path / "own"
    for name in ("models/paying_users.sql", "models/paying_users.yml"):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text(example(name))
    copy = open_duckdb(sample_duckdb.landing, tmp_path)
    shutil.copy(sample_duckdb.settings["WAREHOUSE"], tmp_path)
    settings = {
        "SETTINGS": str(REPOSITORY / "settings.example.yml"),
        "DBT_OWN": os.path.relpath(own, REPOSITORY / "dbt"),
    }
    return replace(copy, settings=copy.settings | settings)


def build(mine: Warehouse, *arguments: str) -> str:
    """`make dbt-build`, which reads settings.yml."""
    run = mine.make("dbt-build", *arguments)
    assert run.returncode == 0, run.stdout
    return run.stdout


def test_the_examples_build_and_stay_up_to_date(mine):
    output = build(mine)
    assert "Rebuilding" in output and "funnels" in output
    funnels = mine.rows("select distinct funnel from amplitude.amplitude__funnels")
    assert funnels == [("signup",)]
    paid = mine.value("select count(*) from amplitude.paying_users")
    events = "select count(distinct project_user_id) from amplitude.amplitude__events"
    assert paid == mine.value(f"{events} where revenue > 0") > 0
    assert "not_null_paying_users" in output
    again = build(mine, "--select", "paying_users", "amplitude__funnels")
    assert again.count("UP TO DATE") == 2


def test_own_models_build_as_dbt_allows(mine, tmp_path):
    """With old spellings, seeds, macros, tests, and variables of their own."""
    files = {
        "models/plans.sql": """
            select *, '{{ greeting() }}' as greeting from {{ ref("plan_names") }}
            where plan in ('{{ var("own_plan_names", []) | join("', '") }}')
        """,
        "models/growing.sql": """
            {{ config(materialized="incremental") }}
            select {{ is_incremental() }} as is_increment
        """,
        "models/plans.yml": "models: [{name: plans, tests: [plan_is_known]}]",
        "seeds/plan_names.csv": "plan\npro\nfree\n",
        "macros/greeting.sql": "{% macro greeting() %}hello{% endmacro %}",
        "macros/known.sql": """
            {% test plan_is_known(model) %}
            select * from {{ model }} where plan is null {% endtest %}
        """,
        "tests/one_plan.sql": "select * from {{ ref('plans') }} where plan <> 'pro'",
    }
    for name, text in files.items():
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    build(mine, "--select", "growing")
    output = build(mine, "--select", "plans", "plan_names", "growing")
    assert "plan_is_known" in output and "one_plan" in output
    assert mine.rows("select plan, greeting from amplitude.plans") == [("pro", "hello")]
    assert mine.rows("from amplitude.growing order by all") == [(False,), (True,)]


def test_wrong_settings_stop_the_build_and_are_named(mine, tmp_path):
    settings = tmp_path / "settings.yml"
    settings.write_text("reporting_timezome: UTC\ntraffic_rules: [{kind: bot}]\n")
    mine.settings["SETTINGS"] = str(settings)
    run = mine.make("dbt-build")
    assert run.returncode != 0
    assert "Wrong variables in settings.yml" in run.stdout
    assert "the nearest known name is reporting_timezone" in run.stdout
    assert (
        "it must be a list, each item a rule with kind, field and pattern" in run.stdout
    )
