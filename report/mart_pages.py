"""`python -m report.mart_pages`: write columns and links into the pages of docs/marts.

The columns come from the models' .yml files, so that each text is written once. A name
of another mart becomes a link to its page. `make format` runs it.
"""

import re
from functools import cache
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
MODELS = REPOSITORY / "dbt" / "models"
PAGES = REPOSITORY / "docs" / "marts"
HEADING = "## Columns\n"
DOC = re.compile(r"\{\{ doc\('(\w+)'\) \}\}")
# Neither within a link, nor in SQL, nor in a longer name.
NAME = re.compile(r"(?<![\[\w./])`(amplitude__\w+)`(?!\])")


def page(path: Path) -> str:
    """The page as it should be."""
    text = path.read_text(encoding="utf-8")
    text = text.partition(HEADING)[0].rstrip() + "\n\n" + columns(path.stem)
    return NAME.sub(lambda name: _link(name, path), text)


def columns(mart: str) -> str:
    """The last section, with the mart's columns."""
    rows = [
        f"| `{column['name']}` | {_plain(column['description'])} |"
        for column in _models()[mart]["columns"]
    ]
    return "\n".join([HEADING, "| column | meaning |", "|---|---|", *rows, ""])


def _link(name: re.Match[str], path: Path) -> str:
    is_other_mart = name[1] != path.stem and (PAGES / f"{name[1]}.md").exists()
    return f"[{name[0]}]({name[1]}.md)" if is_other_mart else name[0]


def _plain(description: str) -> str:
    text = DOC.sub(lambda name: _blocks()[name[1]], description)
    return " ".join(text.split()).replace("|", "\\|")


@cache
def _models() -> dict[str, dict]:
    return {
        model["name"]: model
        for path in MODELS.glob("marts/**/*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
    }


@cache
def _blocks() -> dict[str, str]:
    block = re.compile(r"\{% docs (\w+) %\}(.*?)\{% enddocs %\}", re.S)
    return {
        name: text.strip()
        for path in MODELS.glob("**/*.md")
        for name, text in block.findall(path.read_text(encoding="utf-8"))
    }


def main() -> None:
    for path in sorted(PAGES.glob("amplitude__*.md")):
        path.write_text(page(path), encoding="utf-8")


if __name__ == "__main__":
    main()
