"""The dbt project keeps to its conventions: layers, names, docs, keys.

dbt-bouncer checks the like, but needs a DuckDB older than this project's.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from variables import CALL_OF_VAR, VARIABLE, variables_of

from report import mart_pages
from sandbox.amplitude.export_api import serve

pytestmark = pytest.mark.xdist_group("conventions")

REPOSITORY = Path(__file__).parents[2]
DBT = REPOSITORY / "dbt"
DBT_COMMAND = Path(sys.executable).with_name("dbt")

PREFIXES = {
    "base": "base_amplitude__",
    "staging": "stg_amplitude__",
    "intermediate": "int_amplitude__",
    "marts": "amplitude__",
}
# What a model of a layer may read.
READS = {
    "base": {"source"},
    "staging": {"base", "staging", "seed"},
    "intermediate": {"staging", "intermediate"},
    "marts": {"staging", "intermediate", "marts", "seed"},
}
ABBREVIATIONS = re.compile(
    r"(^|_)(cnt|avg|sec|secs|num|pkey|ts|dt|amt|qty|usr|evt)(_|$)"
)
LONGEST_LINE = 100

READ_EVERY_VARIABLE = {"check_variables", "hashes_of_variables", "variable"}


@pytest.fixture(scope="session")
def manifest(tmp_path_factory) -> dict:
    target = tmp_path_factory.mktemp("target")
    subprocess.run(
        [DBT_COMMAND, "--quiet", "parse", "--no-partial-parse"],
        cwd=REPOSITORY,
        env=os.environ
        | {
            "DBT_PROJECT_DIR": "dbt",
            "DBT_PROFILES_DIR": "dbt",
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(target),
            "TARGET": "duckdb",
        },
        check=True,
    )
    return json.loads((target / "manifest.json").read_text())


@pytest.fixture(scope="session")
def models(manifest) -> list[dict]:
    return [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        and node["package_name"] == "amplitude_warehouse"
    ]


def layer(node: dict) -> str:
    if node["resource_type"] in ("source", "seed"):
        return node["resource_type"]
    parts = Path(node["path"]).parts
    return "base" if "base" in parts else parts[0]


def is_key(node: dict, column: str, manifest: dict) -> bool:
    tests = {
        test["test_metadata"]["name"]
        for test in manifest["nodes"].values()
        if test["resource_type"] == "test"
        and test.get("attached_node") == node["unique_id"]
        and test.get("column_name") == column
        and test["test_metadata"]
    }
    return {"unique", "not_null"} <= tests


def test_names_tell_the_layer(models):
    assert models
    for model in models:
        prefix = PREFIXES[layer(model)]
        assert re.fullmatch(rf"{prefix}[a-z]+(_[a-z]+)*", model["name"]), model["path"]


def test_a_layer_reads_only_the_ones_it_may(models, manifest):
    nodes = manifest["nodes"] | manifest["sources"]
    for model in models:
        for parent in model["depends_on"]["nodes"]:
            allowed = READS[layer(model)]
            assert layer(nodes[parent]) in allowed, f"{model['name']} reads {parent}"


def test_every_model_says_what_a_row_is(models):
    for model in models:
        assert model["description"].startswith("One row per "), model["name"]


def test_every_model_has_one_key(models, manifest):
    for model in models:
        keys = [name for name in model["columns"] if is_key(model, name, manifest)]
        assert len(keys) == 1, f"{model['name']}: {keys}"


def test_every_column_is_described_and_no_other(models, manifest, tmp_path_factory):
    """Against the columns that the models really have, in an empty warehouse."""
    folder = tmp_path_factory.mktemp("catalog")
    environment = os.environ | {
        "DBT_PROJECT_DIR": "dbt",
        "DBT_PROFILES_DIR": "dbt",
        "DBT_TARGET_PATH": str(folder),
        "DBT_LOG_PATH": str(folder),
        "TARGET": "duckdb",
        "WAREHOUSE": str(folder / "empty.duckdb"),
        "LANDING": str(folder / "landing"),
    }
    with serve() as api:
        subprocess.run(
            [sys.executable, "-m", "ingest", "--start=2026-02-01", "--end=2026-02-01"],
            cwd=REPOSITORY,
            env=environment | api.environment,
            check=True,
            stderr=subprocess.DEVNULL,
        )
    build = ["build", "--exclude-resource-type", "test", "unit_test"]
    for command in (build, ["docs", "generate"]):
        subprocess.run(
            [DBT_COMMAND, "--quiet", *command],
            cwd=REPOSITORY,
            env=environment,
            check=True,
        )
    catalog = json.loads((folder / "catalog.json").read_text())["nodes"]
    for model in models:
        described = {
            name for name, column in model["columns"].items() if column["description"]
        }
        assert described == set(catalog[model["unique_id"]]["columns"]), model["name"]


def test_columns_are_named_by_the_conventions(models):
    for model in models:
        for name, column in model["columns"].items():
            where = f"{model['name']}.{name}"
            assert re.fullmatch(r"[a-z][a-z0-9_]*", name), where
            assert not ABBREVIATIONS.search(name), where
            text = column["description"]
            if name.endswith("_at"):
                assert "UTC" in text, where
            if name.endswith("_date"):
                assert re.search(r"\bday\b", text, re.IGNORECASE), where


def test_a_model_is_a_pair_of_files_side_by_side(models):
    for model in models:
        sql = DBT / model["original_file_path"]
        assert sql.with_suffix(".yml").exists(), sql
        assert Path(model["patch_path"].split("://")[1]).stem == sql.stem


def test_every_singular_test_is_a_sentence_and_says_what_a_row_means(manifest):
    singular = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and not node.get("test_metadata")
    ]
    assert singular
    for test in singular:
        assert test["name"].startswith("assert_"), test["name"]
        assert test["raw_code"].startswith("-- A returned row is "), test["name"]


def test_every_unit_test_is_a_clause_about_its_model(manifest):
    assert manifest["unit_tests"]
    for test in manifest["unit_tests"].values():
        assert test["name"].startswith(f"{test['model']}__"), test["name"]


def test_every_unit_test_pins_the_variables_of_its_model(manifest, models):
    """So that no value of a variable can turn a unit test red."""
    by_name = {model["name"]: model for model in models}
    for test in manifest["unit_tests"].values():
        pinned = set((test["overrides"] or {}).get("vars", {}))
        read = variables_of(by_name[test["model"]], manifest["macros"])
        assert read <= pinned, f"{test['name']} does not pin {sorted(read - pinned)}"


def test_every_variable_is_read_by_a_literal_name(manifest, models):
    """Otherwise nobody could tell which variables a model depends on."""
    for node in [*models, *manifest["macros"].values()]:
        is_ours = node["package_name"] == "amplitude_warehouse"
        if is_ours and node["name"] not in READ_EVERY_VARIABLE:
            code = node.get("raw_code") or node.get("macro_sql", "")
            assert len(CALL_OF_VAR.findall(code)) == len(VARIABLE.findall(code)), code


def test_the_exposure_depends_on_what_the_report_reads(manifest):
    (exposure,) = manifest["exposures"].values()
    analyses = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "analysis"
    ]
    read = {mart for node in analyses for mart in node["depends_on"]["nodes"]}
    assert set(exposure["depends_on"]["nodes"]) == read
    for node in analyses:
        assert node["description"].startswith("One row"), node["name"]


def test_every_macro_is_described(manifest):
    for macro in manifest["macros"].values():
        if macro["package_name"] == "amplitude_warehouse":
            # What an engine does is described once, with the macro that dispatches.
            name = macro["name"].removeprefix("duckdb__").removeprefix("snowflake__")
            is_part = name != macro["name"] or name.startswith("materialization_")
            assert macro["description"] or is_part, name


@pytest.mark.parametrize("path", sorted(DBT.glob("macros/**/*.sql")), ids=str)
def test_macros_have_short_lines(path):
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        assert len(line) <= LONGEST_LINE, f"{path}:{number}"
        assert not re.search(r"\{\{-?[^\s-]|\{%-?[^\s-]", line), f"{path}:{number}"


# A hook renders definitions (macros/incremental/definitions.sql): it can call neither
# ref() nor source(), and no model is being built. Only these macros may know the
# difference: what they leave out is data, not definition.
KNOW_THE_HOOK = {
    "batch_number",
    "is_incremental",
    "only_project_of_merges",
    "watermark",
}
CALL_REF = {"get_incremental_replace_sql"}
QUERY_DATA = {"traffic_of", "only_project_of_merges"}


def test_definitions_of_models_leave_nothing_out(manifest, models):
    """A macro that hides a part of a model's SQL from its definition would mix rows of
    two definitions."""
    ours = {
        macro["name"]: macro["macro_sql"]
        for macro in manifest["macros"].values()
        if macro["package_name"] == "amplitude_warehouse"
    }
    for name, code in ours.items():
        if re.search(r"resource_type [!=]= .(operation|model)", code):
            assert name in KNOW_THE_HOOK | {"tracked_nodes", "new_record"}, name
        if re.search(r"(?<!\w)(ref|source)\((?!\))", code) and name not in CALL_REF:
            assert name in NAME_REFS, name
    for model in models:
        outside = INCREMENT.sub("", model["raw_code"])
        called = set(re.findall(r"\b(\w+)\(", outside)) & ours.keys()
        for name in called - QUERY_DATA:
            assert "run_query" not in ours[name], f"{model['name']} calls {name}"


NAME_REFS = {"model_definition", "name_of_ref", "only_project_of_merges"}
INCREMENT = re.compile(
    r"{%-?\s*if [^%]*is_incremental\(\).*?{%-?\s*(?:else|endif)\s*-?%}", re.S
)
BY_BATCH = re.compile(r"watermark\(\)|is_of_affected_session(_day)?\(")
LOOKBACK = re.compile(r"max\([^)]*\)[^;]{0,80}from\s*{{\s*this\s*}}", re.I)


def test_models_are_left_out_when_they_are_up_to_date(models):
    """Also where this project is a package: macros/incremental/materializations.sql."""
    for model in models:
        materialized = model["config"]["materialized"]
        assert materialized.startswith("amplitude_") or materialized == "ephemeral", (
            f"{model['original_file_path']} is materialized as {materialized}:"
            f" write amplitude_{materialized}, which is dbt's own but for that"
        )


def test_increments_go_by_batch(models):
    """Not by the time of events: late events would be lost."""
    for model in models:
        if model["config"]["materialized"] == "amplitude_incremental":
            code = model["raw_code"]
            advice = (
                f"{model['original_file_path']}: an increment must take rows with"
                " `batch_number > {{ watermark() }}`, never by event time, which loses"
                " late events. See docs/how-incremental-builds-work.md"
            )
            assert not LOOKBACK.search(code), advice
            reads_landing = any("source." in id for id in model["depends_on"]["nodes"])
            assert reads_landing or BY_BATCH.search(code), advice


@pytest.mark.parametrize("path", sorted(DBT.glob("models/**/*.sql")), ids=str)
def test_models_end_in_final_and_import_first(path):
    text = path.read_text()
    assert text.rstrip().endswith("select * from final")
    first = r"(?:^|\n)with(?: recursive)?\n\n(\w+) as \(\n    select \* from {{"
    imports = re.search(first, text)
    assert imports, "the first common table expression imports a model or source"
    assert not re.search(r"(from|join)\s+\(", text), "a subquery in from or join"


@pytest.mark.parametrize("path", sorted(DBT.glob("models/**/*.sql")), ids=str)
def test_averages_are_exact(path):
    """A sum of floating point numbers depends on their order: see average_seconds."""
    assert not re.search(r"\bavg\(", path.read_text())


@pytest.mark.parametrize(
    "path", sorted(mart_pages.PAGES.glob("amplitude__*.md")), ids=lambda path: path.stem
)
def test_the_pages_of_marts_have_their_columns_and_links(path):
    assert path.read_text() == mart_pages.page(path), "run `make format`"
