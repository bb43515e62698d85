"""The state of the load, in words: complete to which hour, and what is missing."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Fact:
    label: str
    value: str


@dataclass(frozen=True)
class Load:
    """What is loaded of one project.

    An hour is open if it is missing between two others, too large for the Export API
    and not accepted, not all loaded yet, or loaded and unknown to the ledger.
    """

    project_id: str
    first_hour: datetime
    last_hour: datetime
    open_hours: list[datetime]
    hour_counts: Counter[str]
    event_count: int
    removed_count: int

    @property
    def is_complete(self) -> bool:
        return not self.open_hours

    @property
    def until(self) -> str:
        """The end of the newest loaded hour, as ISO 8601."""
        return f"{self.last_hour + HOUR:%Y-%m-%dT%H:%M}Z"

    @property
    def headline(self) -> str:
        if self.is_complete:
            return f"Complete through {_hour(self.last_hour)} UTC"
        return f"{_hours(len(self.open_hours))} missing or incomplete"

    @property
    def detail(self) -> str:
        if self.is_complete:
            accepted = self.hour_counts[ACCEPTED]
            other_way = f", {accepted:,} of them some other way" if accepted else ""
            return (
                f"Every upload hour since {_hour(self.first_hour)} has landed and is "
                f"loaded{other_way}."
            )
        open_hours = ", ".join(
            f"{count} {kind}" for kind in OPEN if (count := self.hour_counts[kind])
        )
        return (
            f"Of the upload hours from {_hour(self.first_hour)} to "
            f"{_hour(self.last_hour)} UTC: {open_hours}. "
            f"These are {_ranges(self.open_hours)}. "
            "Days, weeks and months that contain them are shown as incomplete."
        )

    @property
    def facts(self) -> list[Fact]:
        hours = self.hour_counts
        return [
            Fact("Events", f"{self.event_count:,}"),
            Fact("Duplicates removed", f"{self.removed_count:,}"),
            Fact("Upload hours", f"{hours['landed']:,}"),
            Fact("Empty hours", f"{hours['empty']:,}"),
            Fact("Open hours", f"{len(self.open_hours):,}"),
        ]


OPEN = ("missing", "too large", "not all loaded", "unknown to the ledger")
ACCEPTED = "accepted"
RANGES_NAMED = 5


def loads(hours: list[dict]) -> list[Load]:
    """The state of each project, from its upload hours."""
    projects: dict[str, list[dict]] = {}
    for hour in hours:
        projects.setdefault(hour["project_id"], []).append(hour)
    return [_load(project_id, rows) for project_id, rows in sorted(projects.items())]


def _load(project_id: str, hours: list[dict]) -> Load:
    kinds = {hour["upload_hour_started_at"]: _kind(hour) for hour in hours}
    staged = sum(hour["staged_event_count"] or 0 for hour in hours)
    loaded = sum(hour["loaded_row_count"] or 0 for hour in hours)
    return Load(
        project_id=project_id,
        first_hour=min(kinds),
        last_hour=max(kinds),
        open_hours=sorted(hour for hour, kind in kinds.items() if kind in OPEN),
        hour_counts=Counter(kinds.values()),
        event_count=int(staged),
        removed_count=int(loaded - staged),
    )


def _kind(hour: dict) -> str:
    if hour["status"] is None:
        return "unknown to the ledger"
    if hour["status"] == "landed":
        is_loaded = hour["loaded_row_count"] >= hour["exported_event_count"]
        return "landed" if is_loaded else "not all loaded"
    if hour["status"] == "too_large" and hour["is_settled"]:
        return ACCEPTED
    return hour["status"].replace("_", " ")


def _ranges(hours: list[datetime]) -> str:
    """The hours in words, consecutive ones as a range."""
    ranges: list[list[datetime]] = []
    for hour in hours:
        if ranges and hour == ranges[-1][1]:
            ranges[-1][1] = hour + HOUR
        else:
            ranges.append([hour, hour + HOUR])
    named = [_range(start, end) for start, end in ranges[:RANGES_NAMED]]
    rest = len(ranges) - len(named)
    return "; ".join(named) + (f"; and {rest:,} more" if rest else "")


def _range(start: datetime, end: datetime) -> str:
    is_same_day = start.date() == end.date()
    return f"{_hour(start)} to {f'{end:%H}:00' if is_same_day else _hour(end)}"


def _hour(hour: datetime) -> str:
    return f"{hour.day} {hour:%b %Y, %H}:00"


def _hours(count: int) -> str:
    return "1 upload hour is" if count == 1 else f"{count:,} upload hours are"
