"""The documentation's site holds the pages of docs/marts, and links lead to marts."""

import json
import re
from pathlib import Path

import pytest
from browsers import chromium
from warehouses import REPOSITORY, make

pytestmark = pytest.mark.xdist_group("sample")

MARTS = sorted(path.stem for path in REPOSITORY.glob("docs/marts/amplitude__*.md"))
PROJECT = "model.amplitude_warehouse"


@pytest.fixture(scope="module")
def site(sample_duckdb, tmp_path_factory) -> Path:
    """`make docs` on the sample."""
    folder = tmp_path_factory.mktemp("docs")
    environment = sample_duckdb.environment() | {"DOCS": str(folder)}
    run = make("docs", environment=environment)
    assert run.returncode == 0, run.stdout
    return folder / "index.html"


@pytest.fixture(scope="module")
def descriptions(site) -> dict[str, str]:
    """The descriptions of the marts, from the manifest that the page holds."""
    text = site.read_text()
    start = text.index(
        '{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/'
    )
    manifest, _ = json.JSONDecoder().raw_decode(text[start:])
    return {
        name: manifest["nodes"][f"{PROJECT}.{name}"]["description"] for name in MARTS
    }


def test_each_mart_has_its_page(descriptions):
    for name, text in descriptions.items():
        assert text.startswith("One row per"), name
        for heading in ("## Differences from Amplitude", "## Example"):
            assert text.count(heading) == 1, name
        # The site has a table of columns of its own.
        assert "## Columns" not in text, name


def test_links_lead_to_marts_or_to_the_web(descriptions):
    found = set()
    for name, text in descriptions.items():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            model = target.removeprefix(f"#!/model/{PROJECT}.")
            assert target.startswith("https://") or model in MARTS, (name, target)
            found.add(model)
    assert "amplitude__periods" in found


def test_a_reader_goes_from_mart_to_mart(site):
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{site.as_uri()}#!/model/{PROJECT}.amplitude__retention")
        page.get_by_role("heading", name="Differences from Amplitude").wait_for()
        page.get_by_role("link", name="amplitude__periods").first.click()
        page.get_by_role("heading", name="amplitude__periods").first.wait_for()


def test_the_lineage_opens_without_tests(site):
    (shown,) = re.findall(r"resource_types:(\[[^]]+\]),depth", site.read_text())
    assert "model" in json.loads(shown) and "test" not in json.loads(shown)
