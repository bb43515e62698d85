"""Show the ledger: one line per day, one character per hour."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import groupby

from ingest.landing.ledger import Ledger
from ingest.windows import Window

MARKS: dict[str, str] = {"landed": "#", "empty": ".", "too_large": "!", "missing": "?"}


def calendar(window: Window, ledger: Ledger) -> Iterator[str]:
    """Lines of text. Consecutive days with equal hours share a line."""
    records = {hour: ledger.record_of(hour) for hour in window.hours()}
    statuses = {
        hour: record.status if record and record.clock != "wrong" else "missing"
        for hour, record in records.items()
    }
    totals: Counter[str] = Counter(statuses.values())
    yield f"project {ledger.project_id or 'not known yet'}, upload hours in UTC"
    yield ", ".join(
        f"{mark} {totals[status]} {status.replace('_', ' ')}"
        for status, mark in MARKS.items()
    )
    yield f"{'':25} 00     06     12     18"
    days = {
        day: _marks({hour.hour: statuses[hour] for hour in hours})
        for day, hours in groupby(window.hours(), datetime.date)
    }
    events = Counter[date]()
    for hour, record in records.items():
        events[hour.date()] += record.event_count if record else 0
    for marks, alike in groupby(days, days.get):
        same = list(alike)
        count = sum(events[day] for day in same)
        yield f"{_range(same):25} {marks}  {count:>12,} events"


def _marks(statuses: dict[int, str]) -> str:
    """A day's hours in four groups; a hole where the window has none."""
    marks = [MARKS[statuses[h]] if h in statuses else " " for h in range(24)]
    return " ".join("".join(marks[h : h + 6]) for h in range(0, 24, 6))


def _range(days: Iterable[date]) -> str:
    first, *others = days
    return f"{first} to {others[-1]}" if others else f"{first}"
