"""What of a project was loaded, and the days, weeks and months that this covers."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from .people import start_of
from .staged import reporting_date

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
PERIODS = ["day", "week", "month"]


@dataclass(frozen=True)
class Period:
    kind: str
    start: date
    end: date
    number: int
    is_complete: bool


@dataclass(frozen=True)
class Calendar:
    """One project's."""

    project_id: str
    loaded_until: datetime
    last_loaded_date: date
    last_complete_date: date
    periods: dict[str, list[Period]]

    def numbers(self, kind: str) -> dict[date, Period]:
        return {period.start: period for period in self.periods[kind]}


def end_of(kind: str, start: date) -> date:
    if kind == "week":
        return start + 6 * DAY
    if kind == "month":
        return start_of("month", start + 31 * DAY) - DAY
    return start


def calendars(
    hours: dict[tuple, set[datetime]], counted: list[dict], settings: dict
) -> dict[str, Calendar]:
    """By project; `hours` are the upload hours that are settled or have files."""
    found = {}
    for project_id, settled in hours.items():
        dates = [
            event["event_date"]
            for event in counted
            if event["project_id"] == project_id and event["event_date"]
        ]
        if not dates:
            continue
        loaded_from, loaded_until = min(settled), max(settled) + HOUR
        first_complete = reporting_date(loaded_from - SECOND, settings) + DAY
        last_complete = reporting_date(loaded_until, settings) - DAY
        last_loaded = reporting_date(loaded_until - SECOND, settings)
        day_count = (last_loaded - min(dates)).days + 1
        days = [min(dates) + at * DAY for at in range(day_count)]
        periods = {}
        for kind in PERIODS:
            starts = sorted({start_of(kind, day) for day in days})
            periods[kind] = [
                Period(
                    kind,
                    start,
                    end_of(kind, start),
                    number,
                    start >= first_complete and end_of(kind, start) <= last_complete,
                )
                for number, start in enumerate(starts, 1)
            ]
        found[project_id] = Calendar(
            project_id, loaded_until, last_loaded, last_complete, periods
        )
    return found


def periods_mart(calendars: dict[str, Calendar]) -> list[dict]:
    return [
        {
            "project_id": calendar.project_id,
            "period": period.kind,
            "period_started_date": period.start,
            "period_ended_date": period.end,
            "period_number": period.number,
            "is_complete": period.is_complete,
        }
        for calendar in calendars.values()
        for kind in PERIODS
        for period in calendar.periods[kind]
    ]
