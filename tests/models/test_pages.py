"""The pages on the marts are true: each query gives what its page shows."""

import re
from typing import Any

import pytest
from warehouses import REPOSITORY

from report.mart_pages import HEADING

pytestmark = pytest.mark.xdist_group("sample")

PAGES = sorted(REPOSITORY.glob("docs/marts/amplitude__*.md"))
EXAMPLE = re.compile(
    r"## Example\n\n```sql\n(.+?)\n```\n\n(\|[^\n]+\|)\n\|[-|]+\|\n", re.S
)


def text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def test_every_mart_has_a_page():
    marts = REPOSITORY.glob("dbt/models/marts/**/*.sql")
    assert sorted(path.stem for path in marts) == [path.stem for path in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_example_gives_what_the_page_shows(sample, page):
    content = page.read_text()
    example = EXAMPLE.search(content)
    assert example, "an example and its result"
    query, header = example.groups()
    columns, rows = sample.ask(query)
    assert f"| {' | '.join(columns)} |".lower() == header
    shown = content[example.end() :].partition(HEADING)[0].strip().splitlines()
    found = [
        f"| {' | '.join(text(value) for value in row)} |" for row in sample.rows(query)
    ]
    assert found == shown
    assert len(rows) > 0
