"""The weekly digest: it holds the marts' figures, and compares complete weeks only."""

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest
from warehouses import Warehouse, make

from report.digest import ProjectDigest, as_html, as_text, digests
from report.warehouse import Answer

pytestmark = pytest.mark.xdist_group("sample")

MONDAY = date(2026, 1, 12)
DAY = timedelta(days=1)


def answer(*rows: dict) -> Answer:
    return (
        Answer(list(rows[0]), [tuple(row.values()) for row in rows])
        if rows
        else Answer()
    )


def answers(
    first: date = MONDAY - 7 * DAY,
    days: int = 14,
    *,
    missing: date | None = None,
    event_type: str = "Search",
    project_id: str = "1",
) -> dict[str, Answer]:
    """What the warehouse answers: each day of the second week has twice the first's."""
    calendar = [first + number * DAY for number in range(days)]

    def size(day: date) -> int:
        return 20 if day >= MONDAY else 10

    def of_days(name: str, **columns) -> Answer:
        return answer(
            *(
                {"project_id": project_id, name: day}
                | {column: value(day) for column, value in columns.items()}
                for day in calendar
            )
        )

    return {
        "load_hours": answer(
            {
                "project_id": project_id,
                "upload_hour_started_at": datetime(2026, 1, 18, 23),
                "status": "landed",
                "is_settled": True,
                "exported_event_count": 1,
                "loaded_row_count": 1,
                "staged_event_count": 1,
            }
        ),
        "active_users": of_days(
            "active_date",
            daily_active_user_count=size,
            weekly_active_user_count=lambda day: 3 * size(day),
            new_user_count=lambda day: 1,
            is_complete=lambda day: day != missing,
        ),
        "sessions": of_days(
            "started_date",
            session_count=size,
            frustrated_session_count=lambda day: 5,
        ),
        "revenue": of_days(
            "revenue_date",
            revenue=lambda day: 2.5 * size(day),
            revenue_event_count=size,
        ),
        "funnels": of_days(
            "entered_date",
            funnel=lambda day: "buy",
            funnel_number=lambda day: 1,
            step_number=lambda day: 2,
            step=lambda day: "Paid",
            user_count=lambda day: 4,
            entered_user_count=size,
            is_mature=lambda day: day < MONDAY + 5 * DAY,
        ),
        "channels": of_days(
            "attributed_date",
            touch=lambda day: "last",
            channel=lambda day: "Email",
            session_count=size,
        ),
        "engagement": answer(
            *(
                {
                    "project_id": project_id,
                    "period": "week",
                    "period_started_date": monday,
                    "event_type": event_type,
                    "user_count": count,
                }
                for monday, count in ((MONDAY - 7 * DAY, 40), (MONDAY, 10))
            )
        ),
    }


def figures(digest: ProjectDigest) -> dict[str, tuple[str, str]]:
    return {m.label: (m.text, m.change) for part in digest.parts for m in part.measures}


def test_a_week_is_compared_with_the_week_before():
    (digest,) = digests(answers())
    assert digest.title == "12 January to 18 January 2026"
    assert figures(digest) == {
        "Weekly active users": ("60", "▲ +100%"),
        "Active users per day": ("20", "▲ +100%"),
        "New users": ("7", "= +0%"),
        "Sessions": ("140", "▲ +100%"),
        "Sessions with a sign of frustration": ("25.0%", "▼ -25.0 pp"),
        "Purchases": ("140", "▲ +100%"),
        "Revenue": ("350.00", "▲ +100%"),
        # The window of five days is over: they are compared with the same weekdays.
        "buy: users who reach the last step (5 of 7 days)": ("20.0%", "▼ -20.0 pp"),
        "Email": ("140", "▲ +100%"),
        "Search": ("10", "▼ -75%"),
    }
    assert "• Sessions: 140  ▲ +100%\n" in as_text([digest])
    assert "Changes are against the week before." in as_text([digest])


@pytest.mark.parametrize("missing", [MONDAY - 7 * DAY, MONDAY - DAY])
def test_an_incomplete_week_is_not_compared_with(missing):
    (digest,) = digests(answers(missing=missing))
    assert digest.week == MONDAY and not digest.is_compared
    assert figures(digest)["Sessions"] == ("140", "")
    funnel = "buy: users who reach the last step (5 of 7 days)"
    assert figures(digest)[funnel] == ("20.0%", "")
    assert "Search" not in figures(digest)
    assert "Not compared: the week before is not completely loaded." in as_text(
        [digest]
    )


def test_the_newest_complete_week_is_shown():
    (digest,) = digests(answers(missing=MONDAY + 6 * DAY))
    assert digest.week == MONDAY - 7 * DAY
    (digest,) = digests(answers(first=MONDAY + DAY, days=6))
    assert digest.week is None
    assert as_text([digest]) == "*No week is completely loaded yet*\n"


def test_projects_are_apart():
    one, other = answers(), answers(project_id="2", missing=MONDAY - DAY)
    both = {
        name: Answer(found.columns, [*found.rows, *other[name].rows])
        for name, found in one.items()
    }
    found = digests(both)
    assert [(d.project_id, d.is_compared) for d in found] == [("1", True), ("2", False)]
    assert "*Amplitude project 2: 12 January to 18 January 2026*" in as_text(found)
    assert "Amplitude project 2" in as_html(found)


def test_nothing_loaded_is_said():
    found = digests({name: Answer() for name in answers()})
    assert as_text(found) == "No upload hour is loaded yet.\n"
    assert "No upload hour is loaded yet." in as_html(found)


def test_names_are_text_and_not_markup():
    hostile = (
        "<!channel> *all* <https://evil.example|here>\n</td><script>alert(1)</script>"
    )
    found = digests(answers(event_type=hostile))
    (line,) = [x for x in as_text(found).splitlines() if "all" in x and "channel" in x]
    assert "<" not in line and "*all*" not in line
    html = as_html(found)
    assert "<script" not in html and "&lt;!channel&gt;" in html


class Elements(HTMLParser):
    """The elements of a page, and the addresses in their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.names.add(tag)
        self.addresses += [value for _, value in attributes if "://" in (value or "")]


@pytest.fixture(scope="module")
def webhook() -> Iterator[tuple[str, list[dict]]]:
    messages: list[dict] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            messages.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/secret-path", messages
    server.shutdown()
    server.server_close()


def make_digest(warehouse: Warehouse, folder: Path, **settings: str):
    environment = warehouse.environment() | {"DIGEST": str(folder)} | settings
    return make("digest", environment=environment)


def test_the_digest_holds_the_marts_figures(sample_duckdb, tmp_path, webhook):
    url, messages = webhook
    run = make_digest(
        sample_duckdb,
        tmp_path,
        SEND="1",
        WEBHOOK_URL=url,
        REPORT_URL="https://example.com/report",
    )
    assert run.returncode == 0, run.stdout
    text = (tmp_path / "digest.txt").read_text()
    assert text in run.stdout and url not in run.stdout
    assert messages == [{"text": text}]
    (expected,) = sample_duckdb.rows(
        """
        select
            (
                select count(distinct user_id)
                from amplitude.amplitude__events
                where
                    not is_bot
                    and not is_internal
                    and event_date between '2026-01-12' and '2026-01-18'
            ),
            (
                select count(*)
                from amplitude.amplitude__sessions
                where started_date between '2026-01-12' and '2026-01-18'
            ),
            (
                select sum(revenue::decimal(28, 9))
                from amplitude.amplitude__daily_revenue
                where revenue_date between '2026-01-12' and '2026-01-18'
            )
        """
    )
    users, sessions, revenue = expected
    for line in (
        f"• Weekly active users: {users:,}",
        f"• Sessions: {sessions:,}",
        f"• Revenue: {revenue:,.2f}",
    ):
        assert line in text.splitlines(), text
    html = Elements()
    html.feed((tmp_path / "digest.html").read_text())
    assert html.addresses == ["https://example.com/report"]
    assert not html.names & {"script", "link", "img", "iframe", "style", "form"}


def test_sending_without_a_webhook_is_refused_first(sample_duckdb, tmp_path):
    run = make_digest(sample_duckdb, tmp_path / "none", SEND="1", WEBHOOK_URL="")
    assert run.returncode == 2
    assert "SEND=1 needs WEBHOOK_URL: set it in .env" in run.stdout
    assert not (tmp_path / "none").exists()


def test_a_missing_mart_is_named(sample_duckdb, tmp_path):
    path = tmp_path / "warehouse.duckdb"
    shutil.copy(sample_duckdb.settings["WAREHOUSE"], path)
    with duckdb.connect(path) as connection:
        connection.execute("drop table amplitude.amplitude__active_users")
    run = make_digest(sample_duckdb, tmp_path / "digest", WAREHOUSE=str(path))
    assert run.returncode != 0
    assert "report: the digest needs amplitude__active_users: run make dbt-build" in (
        run.stdout
    )
