"""Every variable of the dbt project: wrong values are refused, right ones build."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import reference
import snowflake_sql
import sqlglot
import yaml
from warehouses import (
    REPOSITORY,
    Warehouse,
    emulator,
    open_duckdb,
    open_snowflake,
    told,
)

from sandbox.snowflake import deploy
from sandbox.snowflake.statements import masked_columns

pytestmark = pytest.mark.xdist_group("settings")

SEARCH = {"name": "Search", "event_type": "Search Performed"}


def funnel(**changes: Any) -> dict[str, Any]:
    """A funnel that is right but for the changes."""
    return {"order": "this", "window_hours": 24, "steps": [SEARCH]} | changes


def funnels(**changes: Any) -> dict[str, Any]:
    return {"shop": funnel(**changes)}


def one_step(**changes: Any) -> dict[str, Any]:
    return funnels(steps=[SEARCH | changes])


NO_NAMES = ["", 1, "my-table", '"events"', "a.b", "x; --"]

# Values of each variable that are right, and values that are not.
RIGHT: dict[str, list] = {
    "duplicate_window_days": [None, 0, 7, 0.5],
    "stitch_anonymous_users": [True, False],
    "use_merges": [True, False],
    "reporting_timezone": ["UTC", "America/New_York", "Asia/Kathmandu"],
    "calendar_starts_on": [None, "2024-02-29", date(2024, 2, 29)],
    "retention_days": [0, 90],
    "lifetime_value_days": [0, 365],
    "inactive_event_types": [[], ["Push Sent", "it's"]],
    "excluded_traffic": [[], ["bot"], ["internal", "bot"]],
    "traffic_rules": [
        [],
        [{"kind": "internal", "field": "ip_address", "pattern": "it's \\%"}],
        [{"kind": "bot", "field": "os_name", "pattern": "%x%", "reason": "seen"}],
    ],
    "channel_rules": [
        [],
        [
            {"channel": "Partners"},
            {"channel": "Ads", "medium": "a|b", "reason": "ours"},
        ],
    ],
    "channel_sources": [
        [],
        [{"source": "a.example", "category": "social", "includes_subdomains": True}],
    ],
    "personal_columns": [
        {},
        {"ip_address": "omit", "latitude": "omit", "advertising_id": "hash"},
        {"user_properties.e.mail": "hash", "event_properties.it's\\": "omit"},
    ],
    "masking_rules": [
        [],
        [{"pattern": "[0-9]{5,}", "mask": ":number"}],
        [{"pattern": "'5$$$", "mask": "$$, it's $"}],
        [{"pattern": "(a)b", "mask": "\\1c"}],
    ],
    "report_minimum_users": [0, 5],
    "projects": [[], ["100500123"], [100500123]],
    "amplitude_database": [None, "raw"],
    "amplitude_schema": [None, "amplitude"],
    "amplitude_events_identifier": ["events"],
    "amplitude_ledger_identifier": ["ledger_2"],
    "amplitude_merges_identifier": ["_merges$"],
    "use_time_spine": [True, False],
    "unparsed_lines_allowed": [0, 12000],
    "too_large_hours_accepted": [[], ["100500123/2028-02-29 23:00:00"]],
    "cluster_tables": [True, False],
    "rebuild_changed_models": [True, False],
    "build_lock_minutes": [0.1, 120],
    "override_build_lock": [True, False],
    "attribution_window_days": [0, 30, 1.5],
    "longest_session_hours": [0.5, 24],
    "drift_share_allowed": [0, 0.05, 1],
    "drift_rows_allowed": [0, 20],
    "funnels": [
        {},
        funnels(),
        funnels(order="any", window_hours=0.5),
        one_step(event_type=["A", "B"]),
        one_step(where={"page_path": ["/a", "/b"], "is_bot": False}),
        one_step(properties={"plan": "pro", "seats": [1, 2]}, where=None),
    ],
}
NUMBERS = [True, "7", [7], {}, -1, 10001, float("inf"), float("nan")]
WRONG: dict[str, list] = {
    "duplicate_window_days": NUMBERS,
    "stitch_anonymous_users": ["false", "no", 0, None, []],
    "use_merges": ["true", 1, None],
    "reporting_timezone": ["New York", "america/new_york", "", None, 5, ["UTC"]],
    "calendar_starts_on": ["2023-02-29", "January", "2024-1-1", 2024, [], True],
    "retention_days": [None, 0.5, *NUMBERS],
    "lifetime_value_days": [None, 0.5, *NUMBERS],
    "inactive_event_types": ["View", None, [None], [False], [5], [""], {"View": 1}],
    "excluded_traffic": ["bot", ["bots"], [["bot"]], None, [True]],
    "traffic_rules": [
        None,
        {"kind": "bot", "field": "os_name", "pattern": "%x%"},
        [{"kind": "bots", "field": "os_name", "pattern": "%x%"}],
        [{"kind": "bot", "field": "email", "pattern": "%x%"}],
        [{"kind": "bot", "field": "os_name"}],
        [{"kind": "bot", "field": "os_name", "pattern": ""}],
        [{"kind": "bot", "field": "os_name", "pattern": "x", "why": "seen"}],
    ],
    "channel_rules": [
        None,
        ["Partners"],
        [{"medium": "partner"}],
        [{"channel": "Partners", "source": "a.example"}],
        [{"channel": "Partners", "medium": None}],
    ],
    "channel_sources": [
        None,
        [{"source": "a.example"}],
        [{"source": "a.example", "category": "news"}],
        [{"source": "a.example", "category": "ai", "includes_subdomains": "yes"}],
    ],
    "amplitude_database": NO_NAMES,
    "amplitude_schema": NO_NAMES,
    "amplitude_events_identifier": [None, *NO_NAMES],
    "amplitude_ledger_identifier": [None, *NO_NAMES],
    "amplitude_merges_identifier": [None, *NO_NAMES],
    "use_time_spine": ["yes", 1, None],
    "projects": ["100500123", 100500123, None, [1.5], [True], [None], [""], [-1]],
    "personal_columns": [
        None,
        ["ip_address"],
        "ip_address",
        {"ip_address": "hide"},
        {"ip_address": None},
        {"latitude": "hash"},
        {"amplitude_id": "omit"},
        {"user_properties": "omit"},
        {"user_properties.": "omit"},
    ],
    "masking_rules": [
        None,
        ["[0-9]{5,}"],
        [{"pattern": "[0-9]{5,}"}],
        [{"pattern": "", "mask": ":number"}],
        [{"pattern": 5, "mask": ":number"}],
        [{"pattern": "[0-9]", "mask": ":number", "reason": "long"}],
        [{"pattern": "\\d{5,}", "mask": ":number"}],
        {"pattern": "[0-9]{5,}", "mask": ":number"},
        [{"pattern": "[0-9]", "mask": "\\d"}],
    ],
    "report_minimum_users": [-1, 0.5, "5", None, True, []],
    "unparsed_lines_allowed": [-1, 0.5, "2", None, True, []],
    "too_large_hours_accepted": [
        "100500123/2026-01-31 05:00:00",
        ["2026-01-31 05:00:00"],
        ["100500123/2026-01-31 05:30:00"],
        ["100500123/2026-01-31 24:00:00"],
        ["100500123/2026-02-29 05:00:00"],
        ["100500123/2026-01-31"],
        None,
    ],
    "cluster_tables": ["yes", 1, None],
    "rebuild_changed_models": ["yes", 1, None],
    "build_lock_minutes": [0, None, *NUMBERS],
    "override_build_lock": ["yes", 1, None],
    "attribution_window_days": [None, *NUMBERS],
    "longest_session_hours": [0, None, *NUMBERS],
    "drift_share_allowed": [None, "0.05", True, -0.1, 1.1, 5],
    "drift_rows_allowed": [None, "20", True, -1, 0.5],
    "funnels": [
        None,
        [],
        "purchase",
        {"shop": None},
        {"shop": [SEARCH]},
        {"a|b": funnel()},
        {"a:b": funnel()},
        {"it's": funnel()},
        {1: funnel()},
        funnels(order="that"),
        funnels(order=None),
        funnels(window_hours=0),
        funnels(window_hours="24"),
        funnels(window_hours=None),
        funnels(window=24),
        funnels(steps=[]),
        funnels(steps=None),
        funnels(steps={"Search": "Search Performed"}),
        funnels(steps=["Search Performed"]),
        funnels(steps=[[SEARCH]]),
        one_step(name=""),
        one_step(name=None),
        one_step(event_type=None),
        one_step(event_type=[]),
        one_step(event_type=[None]),
        one_step(event_types=["A"]),
        one_step(where=["page_path"]),
        one_step(where={"page_pat": "/a"}),
        one_step(where={"page_path": None}),
        one_step(where={"page_path": []}),
        one_step(where={"page_path": {"is": "/a"}}),
        one_step(properties="plan"),
        one_step(properties={"plan": None}),
    ],
}

WRONG_AT_ONCE = {
    "reporting_timezone": "New York",
    "inactive_event_types": "View",
    "reporting_timezome": "UTC",
    "stitch_anonymous_users": "false",
    "funnels": funnels(order=None, steps=[SEARCH | {"where": {"page": None}}]),
}
SAID_AT_ONCE = """\
  Wrong variables in settings.yml, dbt/dbt_project.yml or --vars:
  - stitch_anonymous_users is "false"; it must be true or false, such as \
stitch_anonymous_users: true
  - reporting_timezone is "New York"; it must be the name of a time zone, such as \
reporting_timezone: America/New_York
  - inactive_event_types is "View"; it must be a list, each item a text, such as \
inactive_event_types: [Push Sent, Push Opened]
  - reporting_timezome is not known; the nearest known name is reporting_timezone
  - funnels.shop.order is null; it must be this or any, such as order: this
  - funnels.shop.steps[1].where.page is null; it must be a text, number, true or \
false, or a list of such, such as page: /help/
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse that nothing was built in, on DuckDB."""
    folder = tmp_path_factory.mktemp("empty")
    return open_duckdb(folder / "landing", folder)


def variables(values: dict[str, Any]) -> tuple[str, str]:
    return "--vars", json.dumps(values)


# Prints the faults of every value, as lists by variable.
FIND_FAULTS = """
{{% set found = {{}} %}}
{{% for name, values in fromyaml({cases}).items() %}}
    {{% set form = variable_forms().variables[name] %}}
    {{% do found.update({{name: []}}) %}}
    {{% for value in values %}}
        {{% set faults = invalid_values({{name: value}}, {{name: form}}) %}}
        {{% if name == "funnels" and value is mapping %}}
            {{% do faults.extend(invalid_funnels(value)) %}}
        {{% endif %}}
        {{% do found[name].append(faults) %}}
    {{% endfor %}}
{{% endfor %}}
{{% do print("found: " ~ tojson(found)) if execute %}}
"""


@pytest.fixture(scope="module")
def faults(empty) -> dict[str, dict[str, list[list[str]]]]:
    """What the macros find wrong with the values, all in one call of dbt."""
    given = {name: RIGHT.get(name, []) + WRONG.get(name, []) for name in RIGHT | WRONG}
    code = FIND_FAULTS.format(cases=json.dumps(yaml.safe_dump(given, width=10**6)))
    printed = empty.dbt("--quiet", "compile", "--inline", code)
    (line,) = re.findall(r"^found: (.*)$", printed, re.MULTILINE)
    return json.loads(line)


def test_every_variable_is_checked():
    project = yaml.safe_load((REPOSITORY / "dbt/dbt_project.yml").read_text())
    assert project["vars"].keys() == RIGHT.keys() == WRONG.keys()


@pytest.mark.parametrize("name", RIGHT)
def test_right_values_have_no_fault(faults, name):
    found = faults[name][: len(RIGHT[name])]
    assert [sentences for sentences in found if sentences] == []


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_named(faults, name):
    found = faults[name][len(RIGHT[name]) :]
    for value, sentences in zip(WRONG[name], found, strict=True):
        assert sentences, f"{value!r} is taken"
        assert all(sentence.startswith(name) for sentence in sentences)


def test_all_wrong_variables_are_in_one_message(empty):
    run = empty.try_build(*variables(WRONG_AT_ONCE))
    assert run.returncode != 0
    assert SAID_AT_ONCE in run.stdout


def test_a_column_that_is_not_there_is_refused(empty):
    """Not before the models are known, but before one is built."""
    given = one_step(where={"page_pat": "/a"})
    run = empty.try_build(*variables({"funnels": given}))
    assert run.returncode != 0
    assert (
        "funnels.shop.steps[1].where.page_pat is not a column of stg_amplitude__events;"
        " the nearest one is page_path"
    ) in run.stdout
    assert "OK created" not in run.stdout


@pytest.mark.parametrize("is_clustered", [True, False])
def test_large_tables_are_clustered_only_on_request(empty, is_clustered):
    output = ("--output", "json", "--output-keys", "name", "config")
    listed = replace(empty, settings=empty.settings | ACCOUNT).dbt(
        "--quiet",
        "ls",
        "--resource-type",
        "model",
        *output,
        *variables({"cluster_tables": is_clustered}),
    )
    models = [json.loads(line) for line in listed.splitlines()]
    clustered = {
        model["name"]: model["config"]["cluster_by"]
        for model in models
        if model["config"].get("cluster_by")
    }
    days = {
        "base_amplitude__events": ["occurred_date"],
        "int_amplitude__session_hours": ["occurred_date"],
        "int_amplitude__session_days": ["occurred_date"],
        "amplitude__sessions": ["started_date"],
    }
    assert clustered == (days if is_clustered else {})


# Texts that end a literal which was only put in quotes, or whose quotes alone were
# doubled: in Snowflake a backslash escapes the quote after it.
HOSTILE = [
    "it's",
    "'; drop table t; --",
    "\\'; drop table t; --",
    "\\",
    '"',
    "a~b/c",
    "$.a",
]
AS_SQL = """
{{% set found = {{"literal": [], "event_property": []}} %}}
{{% for text in fromyaml({texts}) %}}
    {{% do found.literal.append(literal(text)) %}}
    {{% do found.event_property.append(event_property(text)) %}}
{{% endfor %}}
{{% do print("found: " ~ tojson(found)) if execute %}}
"""
ACCOUNT = {"TARGET": "snowflake", "SNOWFLAKE_ACCOUNT": "a", "SNOWFLAKE_USER": "u"}


def as_sql(empty: Warehouse, **settings: str) -> dict[str, list[str]]:
    """The texts as the macros write them, without a connection."""
    code = AS_SQL.format(texts=json.dumps(yaml.safe_dump(HOSTILE)))
    empty = replace(empty, settings=empty.settings | settings)
    offline = ("--no-populate-cache", "--no-introspect")
    printed = empty.dbt("--quiet", "compile", *offline, "--inline", code)
    (line,) = re.findall(r"^found: (.*)$", printed, re.MULTILINE)
    return json.loads(line)


def test_a_text_in_sql_is_that_text_on_duckdb(empty):
    written = as_sql(empty)
    with duckdb.connect() as connection:
        for text, sql in zip(HOSTILE, written["literal"], strict=True):
            assert connection.sql(f"select {sql}").fetchall() == [(text,)]
        for text, sql in zip(HOSTILE, written["event_property"], strict=True):
            connection.execute(
                "create or replace table t as select ?::json as event_properties",
                [json.dumps({"a": "other", text: "found"})],
            )
            assert connection.sql(f"select {sql} from t").fetchall() == [("found",)]


def test_a_text_in_sql_is_that_text_on_snowflake(empty):
    written = as_sql(empty, **ACCOUNT)
    for text, sql, key in zip(HOSTILE, *written.values(), strict=True):
        parsed = sqlglot.parse_one(f"select {sql}, {key}", read="snowflake")
        assert {part.this for part in parsed.find_all(sqlglot.exp.Literal)} == {text}


@pytest.mark.parametrize(
    "settings, named",
    [
        (
            {"DBT_SCHEMA": 'x"; drop table y; --'},
            "DBT_SCHEMA or SNOWFLAKE_MARTS_SCHEMA",
        ),
        (ACCOUNT | {"SNOWFLAKE_RAW_DATABASE": "raw; --"}, "SNOWFLAKE_RAW_DATABASE"),
    ],
)
def test_a_name_that_is_not_plain_is_refused(empty, settings, named):
    (name,) = [v for v in settings.values() if "; " in v]
    with pytest.raises(AssertionError) as failed:
        replace(empty, settings=empty.settings | settings).dbt("parse")
    said = f"{named} is {name}: it must be a name of letters"
    assert said in " ".join(str(failed.value).split()).replace("\\n", " ")


# --- The sample, built with every variable at another value ---------------------------

OTHER = {
    "duplicate_window_days": 7,
    "stitch_anonymous_users": False,
    "use_merges": True,
    "reporting_timezone": "America/New_York",
    "inactive_event_types": ["[Amplitude] Page Viewed", "session_start", "it's \\"],
    "longest_session_hours": 0.25,
    "calendar_starts_on": "2026-01-14",
    "retention_days": 2,
    "drift_share_allowed": 0.5,
    "drift_rows_allowed": 7,
    "lifetime_value_days": 3,
    "excluded_traffic": [],
    "traffic_rules": [
        {"kind": "bot", "field": "device_family", "pattern": "mac%"},
        {"kind": "internal", "field": "platform", "pattern": "it's \\"},
    ],
    "channel_rules": [
        {"channel": "It's \\ ours", "category": "social", "medium": "(not set)|.*"},
        {"channel": "Mail", "medium": "email"},
    ],
    "channel_sources": [
        {"source": "google.com", "category": "ai", "includes_subdomains": True},
        {"source": "it's\\", "category": "sms"},
    ],
    "projects": ["100500123"],
    "personal_columns": {
        "ip_address": "hash",
        "latitude": "omit",
        "city": "omit",
        "user_properties.company": "hash",
        "user_properties.logins": "hash",
        "user_properties.order_ids": "hash",
        "user_properties.plan": "omit",
        "user_properties.nowhere": "hash",
        "event_properties.[Amplitude] Page Title": "omit",
    },
    "masking_rules": [
        {"pattern": "(/product/)[a-z0-9]+", "mask": r"\1:id"},
        {"pattern": "i+", "mask": "I"},
        {"pattern": "'5$$$", "mask": "it's $"},
    ],
    "report_minimum_users": 50,
    "unparsed_lines_allowed": 2,
    "too_large_hours_accepted": ["100500123/2026-01-14 05:00:00"],
    "cluster_tables": True,
    "rebuild_changed_models": False,
    "build_lock_minutes": 5,
    "override_build_lock": True,
    "attribution_window_days": 1,
    "funnels": {
        "look": {
            "order": "any",
            "window_hours": 48,
            "steps": [
                {
                    "name": "It's found \\'; --",
                    "event_type": ["Search Performed", "Filter Applied", "'; --", "\\"],
                },
                {
                    "name": "Home",
                    "event_type": "[Amplitude] Page Viewed",
                    "where": {"page_path": ["/", "/help/"]},
                },
            ],
        }
    },
}
# What a project that installs this one sets; tested by test_package.py.
OF_A_PACKAGE = {
    "amplitude_database",
    "amplitude_schema",
    "amplitude_events_identifier",
    "amplitude_ledger_identifier",
    "amplitude_merges_identifier",
    "use_time_spine",
}
AT_ONCE = OTHER | {"reporting_timezone": "Asia/Tokyo", "rebuild_changed_models": True}
# Each build takes half a minute, so variables that rarely affect the same rows share
# one. No model reads those covered elsewhere: above, by test_definitions.py,
# test_build_lock.py and test_rules.py.
COVERED_ELSEWHERE = {
    "cluster_tables",
    "rebuild_changed_models",
    "build_lock_minutes",
    "override_build_lock",
    "report_minimum_users",
}
SHARED = {
    "rows": ["duplicate_window_days", "excluded_traffic", "projects", "traffic_rules"],
    "people": ["inactive_event_types", "personal_columns", "use_merges"],
    "days": [
        "calendar_starts_on",
        "drift_rows_allowed",
        "drift_share_allowed",
        "reporting_timezone",
        "too_large_hours_accepted",
        "unparsed_lines_allowed",
    ],
    "marts": [
        "attribution_window_days",
        "channel_rules",
        "channel_sources",
        "funnels",
        "lifetime_value_days",
        "longest_session_hours",
        "masking_rules",
        "retention_days",
        "stitch_anonymous_users",
    ],
}
CASES = {
    **{case: {name: OTHER[name] for name in names} for case, names in SHARED.items()},
    "at once": AT_ONCE,
}
# The emulator takes minutes for each case, so it builds one: name another, or "all".
ON_SNOWFLAKE = os.environ.get("SETTINGS_ON_SNOWFLAKE", "at once")

# Two users of the sample that are merged, and the two that they are merged into.
MERGES = [
    ("100500123", "118548435545", "118851775640"),
    ("100500123", "118717997352", "118580808906"),
]
CREATE_MERGES = """
create table {} (
    project_id varchar, amplitude_id bigint, merged_amplitude_id bigint,
    merge_event_time timestamp, merge_server_time timestamp
)
"""


def merges_as(table: str) -> Iterator[str]:
    """SQL that creates the table of merges and fills it."""
    yield CREATE_MERGES.format(table)
    for project, merged, target in MERGES:
        times = "'2026-01-18', '2026-01-18'"
        yield f"insert into {table} values ('{project}', {target}, {merged}, {times})"


@pytest.fixture
def copy_of_sample(sample_duckdb: Warehouse, tmp_path: Path) -> Warehouse:
    """The sample as built with the default variables, on DuckDB, and some merges."""
    copy = open_duckdb(sample_duckdb.landing, tmp_path)
    copy.settings["HASH_SALT"] = reference.HASH_SALT
    shutil.copy(sample_duckdb.settings["WAREHOUSE"], tmp_path)
    with duckdb.connect(copy.settings["WAREHOUSE"]) as connection:
        for statement in merges_as("amplitude.merges"):
            connection.execute(statement)
    return copy


def test_every_variable_has_another_value():
    assert OTHER.keys() == RIGHT.keys() - OF_A_PACKAGE
    changed = {name for names in SHARED.values() for name in names} | OF_A_PACKAGE
    assert changed == RIGHT.keys() - COVERED_ELSEWHERE


@pytest.mark.parametrize("case", CASES)
def test_the_sample_builds_with_other_settings(copy_of_sample, case):
    """A build rebuilds what the variables change, and nothing else has to be done."""
    settings = CASES[case]
    output = copy_of_sample.build(*variables(settings))
    assert "Rebuilding" in output
    found = reference.differences(copy_of_sample, settings, MERGES)
    assert not found, told(found)


def test_the_salt_of_hashes_is_secret_and_stays_the_same(copy_of_sample, tmp_path):
    """It is in the warehouse, beside base_amplitude__events, and nowhere else."""
    salt = copy_of_sample.settings["HASH_SALT"]
    hashed = variables({"personal_columns": {"ip_address": "hash"}})
    build = ("--select", "stg_amplitude__events", *hashed)

    copy_of_sample.build(*build)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    holding = {path.name for path in files if salt.encode() in path.read_bytes()}
    assert holding == {"warehouse.duckdb"}

    for wrong, said in (
        ("short", "HASH_SALT must have 16 characters or more"),
        ("another salt of the tests", "HASH_SALT is not the one that this warehouse"),
    ):
        copy_of_sample.settings["HASH_SALT"] = wrong
        run = copy_of_sample.try_build(*build)
        assert run.returncode != 0
        assert said in run.stdout
        assert wrong not in run.stdout
    copy_of_sample.build("--full-refresh", *build)


@pytest.mark.xdist_group("settings on snowflake")
@pytest.mark.parametrize("case", CASES if ON_SNOWFLAKE == "all" else [ON_SNOWFLAKE])
def test_the_sample_builds_with_other_settings_on_snowflake(
    sample_landing, tmp_path, case
):
    """On the emulator, which remembers masking policies and masks nothing."""
    settings = CASES[case]
    with emulator(sample_landing) as account:
        account["HASH_SALT"] = reference.HASH_SALT
        account["SNOWFLAKE_UNMASKED_ROLE"] = "privacy"
        deploy(account, sample_landing)
        warehouse = open_snowflake(sample_landing, tmp_path, account)
        for statement in merges_as("raw.amplitude.merges"):
            warehouse.ask(statement)
        warehouse.build(*variables(settings))
        found = reference.differences(warehouse, settings, MERGES)
        refused = snowflake_sql.faults(warehouse, with_sqlfluff=False)
    assert not found, told(found)
    assert not refused
    schemas = {relation.rpartition(".")[0] for relation, _ in masked_columns}
    assert schemas == {"ANALYTICS.AMPLITUDE"}
    assert {
        (relation.rpartition(".")[2], column, policy)
        for (relation, column), policy in masked_columns.items()
    } == {
        ("AMPLITUDE__EVENTS", "IP_ADDRESS", "RAW.AMPLITUDE.PERSONAL_TEXT"),
        ("AMPLITUDE__EVENTS", "LATITUDE", "RAW.AMPLITUDE.PERSONAL_NUMBER"),
        ("AMPLITUDE__EVENTS", "LONGITUDE", "RAW.AMPLITUDE.PERSONAL_NUMBER"),
        ("AMPLITUDE__EVENTS", "USER_PROPERTIES", "RAW.AMPLITUDE.PERSONAL_OBJECT"),
        ("AMPLITUDE__USERS", "USER_PROPERTIES", "RAW.AMPLITUDE.PERSONAL_OBJECT"),
    }


def test_unit_tests_pass_with_any_settings(copy_of_sample):
    run = copy_of_sample.make("unit-test", *variables(AT_ONCE))
    assert run.returncode == 0, run.stdout
