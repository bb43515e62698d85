"""The page: one HTML file with its data, charts and styles.

It makes no network request, and its content security policy forbids them: scripts
and styles are identified by their hashes, and nothing else may load or run.
"""

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from report.contents import SECTIONS
from report.load import Load, loads
from report.warehouse import Answer

FILES = Path(__file__).parent / "page"
# Thirteen months, so that a month can be compared with that of the year before; the
# questions in dbt/analyses/report have as many.
MOST_DAYS = 400
PRESETS = {
    "7": "7 days",
    "30": "30 days",
    "90": "90 days",
    "loaded": "Since the first load",
    "all": "All",
}


@dataclass(frozen=True)
class Freshness:
    """Hours after its newest loaded hour from which a page is late, or stale."""

    late_hours: float
    stale_hours: float


def render(
    answers: dict[str, Answer],
    made_at: datetime,
    freshness: Freshness | None = None,
) -> str:
    """The page's HTML, from the warehouse's answers; without `freshness` it has no age.

    The page computes the age when it is opened.
    """
    (settings_row,) = answers["settings"].records()
    states = loads(answers["load_hours"].records())
    days = {state.project_id: _days(state, answers) for state in states}
    charts = [chart for section in SECTIONS for chart in section.charts]
    drawn = [chart for chart in charts if not answers[chart.answer].missing]
    settings = {
        "projects": list(days),
        "days": days,
        "charts": [chart.settings() for chart in drawn],
        "freshness": vars(freshness) if freshness else None,
    }
    data = {
        name: {"columns": answer.columns, "rows": answer.rows}
        for name, answer in answers.items()
        if name not in ("settings", "load_hours")
    }
    parts = {
        "library": _library(),
        "script": _read("views.js") + _read("page.js"),
        "style": _read("page.css"),
    }
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"script-src {_hash(parts['library'])} {_hash(parts['script'])}; "
        f"style-src {_hash(parts['style'])}"
    )
    return template("page.html").render(
        **{name: Markup(text) for name, text in parts.items()},
        policy=policy,
        made_at=f"{made_at:%Y-%m-%d %H:%M}",
        timezone=settings_row["reporting_timezone"],
        loads=states,
        projects=list(days),
        presets=PRESETS.items(),
        sections=SECTIONS,
        missing={name: answer.missing for name, answer in answers.items()},
        sql={name: answer.sql for name, answer in answers.items()},
        models={
            name: {model: model.rpartition(".")[2] for model in answer.models}
            for name, answer in answers.items()
        },
        settings=_json(settings),
        answers=_json(data),
    )


def template(name: str) -> Template:
    """A template of this folder, which escapes its values."""
    files = Environment(
        loader=FileSystemLoader(FILES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return files.get_template(name)


def _days(state: Load, answers: dict[str, Answer]) -> dict[str, str]:
    """The days that a reader may choose from, and the first that is loaded.

    Events of the future are those of wrong clocks; of the days before the first upload
    hour it has only late events. The page holds no more than MOST_DAYS, so older
    days cannot be chosen: every number is about the chosen days.
    """
    last_loaded = state.last_hour.date()
    oldest = last_loaded - timedelta(days=MOST_DAYS - 1)
    first_loaded = max(state.first_hour.date(), oldest)
    first = min(
        (
            str(row["active_date"])
            for row in answers["active_users"].records()
            if row["project_id"] == state.project_id
        ),
        default=str(first_loaded),
    )
    return {
        "first_date": max(min(first, str(first_loaded)), str(oldest)),
        "first_loaded_date": str(first_loaded),
        "last_date": str(last_loaded),
    }


@cache
def _library() -> str:
    """Vega and Vega-Embed as one script, which vl-convert carries."""
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"{{{script}}}"


def _read(name: str) -> str:
    return (FILES / name).read_text()


def _hash(text: str) -> str:
    digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _json(value: Any) -> Markup:
    """JSON that is safe in a script element, whatever its texts contain."""
    text = json.dumps(
        value,
        default=_plain,
        ensure_ascii=False,
        separators=(",", ":"),
        allow_nan=False,
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in the page")
