"""The report in a real browser: what it shows is what the marts hold, and no more."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import pytest
from browsers import choose_days, chromium, drawn, opened, table
from playwright.sync_api import Browser, Page
from warehouses import REPOSITORY, Warehouse, make

from report.contents import SECTIONS
from report.page import render
from report.warehouse import Answer

pytestmark = pytest.mark.xdist_group("sample")

CHARTS = [chart.name for section in SECTIONS for chart in section.charts]
FIRST, LAST = "2026-01-12", "2026-01-18"
HOSTILE = "</script><img src=x onerror=alert(1)>"
FORMULA = "=cmd|' /C calc'!A0"


def make_report(warehouse: Warehouse, folder: Path, **settings: str) -> Path:
    """`make report`; returns the page."""
    environment = warehouse.environment() | {"REPORT": str(folder)} | settings
    run = make("report", environment=environment)
    assert run.returncode == 0, run.stdout
    return folder / "index.html"


def held(page: Path, name: str) -> dict:
    """What a page holds: `settings` or `answers`."""
    pattern = rf'<script type="application/json" id="{name}">(.*?)</script>'
    return json.loads(re.search(pattern, page.read_text())[1])


@pytest.fixture(scope="module")
def page(sample_duckdb, tmp_path_factory) -> Path:
    """The report on the sample export."""
    return make_report(sample_duckdb, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def tab(browser, page) -> Iterator[Page]:
    with opened(browser, page) as tab:
        yield tab


# ---- What is shown


def count(value: int) -> str:
    return f"{value:,}"


def rate(value: float | None) -> str:
    return "–" if value is None else f"{rounded(value * 100, '0.1')}%"


def money(value: float | None) -> str:
    return "–" if value is None else f"{rounded(value, '0.01'):,}"


def flag(value: bool) -> str:
    return "yes" if value else "no"


def day(value: date) -> str:
    return f"{value.day} {value:%b %Y}"


def rounded(value: float, step: str) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal(step), ROUND_HALF_UP)


def plain(value: object) -> str:
    return "–" if value in (None, "") else str(value)


# What each table has to show of the days from $first to $last: the columns, in the
# words of SQL, and how they are written. Counted from the marts, by other means than
# the page's.
SHOWN: dict[str, tuple[str, list[Callable]]] = {
    "active_users": (
        """
        select
            active_date, daily_active_user_count, weekly_active_user_count,
            monthly_active_user_count, new_user_count, is_complete
        from amplitude__active_users
        where active_date between $first and $last
        order by 1
        """,
        [day, count, count, count, count, flag],
    ),
    "daily_monthly": (
        """
        select
            active_date, daily_monthly_rate, daily_active_user_count,
            monthly_active_user_count, has_whole_month
        from amplitude__active_users
        where active_date between $first and $last and daily_monthly_rate is not null
        order by 1
        """,
        [day, rate, count, count, flag],
    ),
    "active_days": (
        """
        select
            active_day_number,
            sum(cumulative_user_count) / sum(active_user_count)::double,
            sum(cumulative_user_count)::bigint,
            sum(active_user_count)::bigint
        from amplitude__stickiness
        where
            period = 'week'
            and period_started_date between $first::date - 6 and $last
        group by 1
        order by 1
        """,
        [count, rate, count, count],
    ),
    "retention": (
        """
        select 'All', 'Day ' || period_number,
            sum(returned_user_count) / sum(cohort_user_count)::double,
            sum(returned_user_count)::bigint, sum(cohort_user_count)::bigint, true
        from amplitude__retention
        where
            basis = 'rolling' and period = 'day' and is_mature and period_number <= 14
            and cohort_date between $first and $last
        group by period_number
        order by period_number
        """,
        [plain, plain, rate, count, count, flag],
    ),
    "lifecycle": (
        """
        select
            period_started_date, new_user_count, current_user_count,
            resurrected_user_count, dormant_user_count,
            round(pulse, 2), is_complete
        from amplitude__lifecycle
        where period = 'day' and period_started_date between $first and $last
        order by 1
        """,
        [day, count, count, count, count, lambda value: number(value), flag],
    ),
    "engagement": (
        """
        select
            event_type, user_count, breadth_rate, round(average_event_count, 2),
            event_count
        from amplitude__engagement
        where period = 'week' and period_started_date = date_trunc('week', $last::date)
        order by user_count desc, event_count desc, event_type
        limit 40
        """,
        [plain, count, rate, lambda value: number(value), count],
    ),
    "pages": (
        """
        with ranked as (
            select
                *, dense_rank() over (order by total desc, page_domain, page_path) as place
            from (
                select
                    *,
                    sum(view_count) over (partition by page_domain, page_path) as total
                from amplitude__pages
            )
        )
        select
            if(place > 40, 'All other pages', page_path), sum(view_count)::bigint,
            sum(session_count)::bigint, sum(entry_count)::bigint,
            sum(exit_count)::bigint,
            sum(bounce_count) / nullif(sum(entry_count), 0)::double
        from ranked
        where viewed_date between $first and $last
        group by 1
        order by 1 = 'All other pages', 2 desc, 1
        """,
        [plain, count, count, count, count, rate],
    ),
    "frustrated_sessions": (
        """
        select
            started_date, avg((session_id in (
                select session_id from amplitude__frustrations
            ))::int),
            count_if(session_id in (select session_id from amplitude__frustrations)),
            count(*)
        from amplitude__sessions
        where started_date between $first and $last
        group by 1
        order by 1
        """,
        [day, rate, count, count],
    ),
    "revenue": (
        """
        select
            revenue_date, revenue, revenue_event_count, paying_user_count,
            average_revenue_per_user, average_revenue_per_paying_user
        from amplitude__daily_revenue
        where revenue_date between $first and $last
        order by 1
        """,
        [day, money, count, count, money, money],
    ),
    "lifetime_value": (
        """
        select
            day_number, sum(revenue) / sum(user_count), sum(revenue),
            sum(paid_user_count)::bigint, sum(user_count)::bigint
        from amplitude__lifetime_values
        where cohort_date between $first and $last and day_number <= 30
        group by 1
        order by 1
        """,
        [count, money, money, count, count],
    ),
}


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")


def expected(warehouse: Warehouse, chart: str, first: str, last: str) -> list[list]:
    query, formats = SHOWN[chart]
    with duckdb.connect(warehouse.settings["WAREHOUSE"], read_only=True) as connection:
        connection.execute("use amplitude")
        parameters = {"first": first, "last": last}
        used = {name: parameters[name] for name in parameters if f"${name}" in query}
        rows = connection.execute(query, used).fetchall()
    return [
        [write(value) for write, value in zip(formats, row, strict=True)]
        for row in rows
    ]


def test_every_chart_draws(tab):
    assert tab.locator("figure").count() == len(CHARTS)
    for chart in CHARTS:
        marks = tab.locator(
            f"#{chart} svg :is(.mark-rect, .mark-line, .mark-symbol) path"
        )
        assert marks.count() > 2, chart
        box = tab.locator(f"#{chart} svg").bounding_box()
        assert box["width"] > 300 and box["height"] > 100, chart


@pytest.mark.parametrize(
    ("first", "last"), [(FIRST, LAST), ("2026-01-14", "2026-01-15")]
)
def test_the_numbers_are_those_of_the_marts(tab, sample_duckdb, first, last):
    """Every table, of all days and of some."""
    choose_days(tab, first, last)
    for chart in SHOWN:
        wanted = expected(sample_duckdb, chart, first, last)
        assert len(wanted) > 1, chart
        assert table(tab, chart)[: len(wanted)] == wanted, chart
