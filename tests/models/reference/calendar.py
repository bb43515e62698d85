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
    # The one row for everything before the calendar.
    is_before: bool = False


@dataclass(frozen=True)
class Calendar:
    """One project's."""

    project_id: str
    start: date
    loaded_until: datetime
    last_loaded_date: date
    complete_dates: set[date]
    periods: dict[str, list[Period]]

    def numbers(self, kind: str) -> dict[date, Period]:
        return {period.start: period for period in self.periods[kind]}

    def real(self, kind: str) -> list[Period]:
        """The periods of the calendar, without what is before it."""
        return [period for period in self.periods[kind] if not period.is_before]

    def row_of(self, kind: str, day: date) -> date:
        """The date that the period of the day bears, or what is before the calendar."""
        start = start_of(kind, day)
        return start if start >= start_of(kind, self.start) else self.before(kind)

    def before(self, kind: str) -> date:
        return start_of(kind, self.start) - DAY

    def is_whole(self, first: date, last: date) -> bool:
        """Whether all days from the first to the last are complete."""
        days = (first + at * DAY for at in range((last - first).days + 1))
        return all(day in self.complete_dates for day in days)

    def run(self, day: date, step: timedelta) -> date | None:
        """The last of the complete days from the day on, forwards or backwards."""
        if day not in self.complete_dates:
            return None
        while day + step in self.complete_dates:
            day += step
        return day


def end_of(kind: str, start: date) -> date:
    """Last day of the period that begins on the day, or contains it."""
    start = start_of(kind, start)
    if kind == "week":
        return start + 6 * DAY
    if kind == "month":
        return start_of("month", start + 31 * DAY) - DAY
    return start


def complete_dates(settled: set[datetime], settings: dict) -> set[date]:
    """Days of which every upload hour is settled, one that overlaps two of each."""
    open_dates, dates = set(), set()
    hour = min(settled, default=datetime.max)
    # An hour before the first settled one and one after the last are not.
    hour -= HOUR if settled else timedelta(0)
    while settled and hour <= max(settled) + HOUR:
        of_hour = {
            reporting_date(hour, settings),
            reporting_date(hour + HOUR - SECOND, settings),
        }
        dates |= of_hour
        if hour not in settled:
            open_dates |= of_hour
        hour += HOUR
    return dates - open_dates


def calendars(
    settled_hours: dict[str, set[datetime]],
    file_hours: dict[str, set[datetime]],
    counted: list[dict],
    settings: dict,
) -> dict[str, Calendar]:
    """By project; the upload hours that are settled, and those that have files."""
    found = {}
    for project_id, with_files in file_hours.items():
        settled = settled_hours.get(project_id, set())
        dates = [
            event["event_date"]
            for event in counted
            if event["project_id"] == project_id and event["event_date"]
        ]
        if not any(event["project_id"] == project_id for event in counted):
            continue
        start = reporting_date(min(with_files), settings)
        if settings["calendar_starts_on"]:
            start = date.fromisoformat(str(settings["calendar_starts_on"]))
        loaded_until = max(settled | with_files) + HOUR
        last_loaded = reporting_date(loaded_until - SECOND, settings)
        calendar = Calendar(
            project_id,
            start,
            loaded_until,
            last_loaded,
            complete_dates(settled, settings),
            {},
        )
        days = [start + at * DAY for at in range((last_loaded - start).days + 1)]
        for kind in PERIODS:
            starts = sorted({start_of(kind, day) for day in days})
            calendar.periods[kind] = [
                Period(
                    kind,
                    first,
                    end_of(kind, first),
                    number,
                    calendar.is_whole(first, end_of(kind, first)),
                )
                for number, first in enumerate(starts, 1)
            ]
            if any(start_of(kind, day) < start_of(kind, start) for day in dates):
                day = calendar.before(kind)
                calendar.periods[kind].append(Period(kind, day, day, -1, False, True))
        found[project_id] = calendar
    return found


def periods_mart(calendars: dict[str, Calendar]) -> list[dict]:
    return [
        {
            "project_id": calendar.project_id,
            "period": period.kind,
            "period_started_date": period.start,
            "period_ended_date": period.end,
            "period_number": period.number,
            "is_before_calendar": period.is_before,
            "complete_from_date": None
            if period.is_before
            else calendar.run(period.start, -DAY),
            "complete_until_date": None
            if period.is_before
            else calendar.run(period.start, DAY),
            "is_complete": period.is_complete,
        }
        for calendar in calendars.values()
        for kind in PERIODS
        for period in calendar.periods[kind]
    ]
