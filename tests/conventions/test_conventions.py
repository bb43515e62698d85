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

from sandbox.export_api import serve

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
LONGEST_MACRO_LINES = 10

LISTS = {"exported_fields", "is_of_simple_form", "variable_forms"}

READ_EVERY_VARIABLE = {"check_variables", "variable"}


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
                assert "Day" in text, where


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


def test_every_macro_is_small_described_and_in_a_file_of_its_own(manifest):
    described = {
        macro["name"]: macro
        for macro in manifest["macros"].values()
        if macro["package_name"] == "amplitude_warehouse" and macro["description"]
    }
    files = sorted((DBT / "macros").glob("*.sql"))
    assert {path.stem for path in files} <= set(described)
    for path in files:
        for body in re.findall(
            r"{%-? macro .*?{%-? endmacro -?%}", path.read_text(), re.DOTALL
        ):
            name = re.search(r"macro (\w+)", body)[1]
            lines = body.count("\n") + 1
            if path.stem not in LISTS:
                assert lines - 2 <= LONGEST_MACRO_LINES, f"{name}: {lines} lines"


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
