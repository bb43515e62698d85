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

    An hour is open if it is missing between two others, too large for the Export API,
    not all loaded yet, or loaded and unknown to the ledger.
    """

    project_id: str
    first_hour: datetime
    last_hour: datetime
    first_open_hour: datetime | None
    hour_counts: Counter[str]
    event_count: int
    removed_count: int

    @property
    def is_complete(self) -> bool:
        return self.first_open_hour is None

    @property
    def open_hour_count(self) -> int:
        return sum(self.hour_counts[kind] for kind in OPEN)

    @property
    def headline(self) -> str:
        if self.is_complete:
            return f"Complete through {_hour(self.last_hour)} UTC"
        return f"{_hours(self.open_hour_count)} missing or not whole"

    @property
    def detail(self) -> str:
        if self.is_complete:
            return (
                f"Every upload hour since {_hour(self.first_hour)} has landed and is "
                "loaded."
            )
        open_hours = ", ".join(
            f"{count} {kind}" for kind in OPEN if (count := self.hour_counts[kind])
        )
        return (
            f"Of the upload hours from {_hour(self.first_hour)} to "
            f"{_hour(self.last_hour)} UTC: {open_hours}. "
            f"The first is {_hour(self.first_open_hour)}."
        )

    @property
    def facts(self) -> list[Fact]:
        hours = self.hour_counts
        return [
            Fact("Events", f"{self.event_count:,}"),
            Fact("Repeats removed", f"{self.removed_count:,}"),
            Fact("Upload hours", f"{hours['landed']:,}"),
            Fact("Empty hours", f"{hours['empty']:,}"),
            Fact("Open hours", f"{self.open_hour_count:,}"),
        ]


OPEN = ("missing", "too large", "not all loaded", "unknown to the ledger")


def loads(hours: list[dict]) -> list[Load]:
    """The state of each project, from its upload hours."""
    projects: dict[str, list[dict]] = {}
    for hour in hours:
        projects.setdefault(hour["project_id"], []).append(hour)
    return [_load(project_id, rows) for project_id, rows in sorted(projects.items())]


def _load(project_id: str, hours: list[dict]) -> Load:
    kinds = {hour["upload_hour_started_at"]: _kind(hour) for hour in hours}
    first, last = min(kinds), max(kinds)
    at = first
    while at < last:
        kinds.setdefault(at, "missing")
        at += HOUR
    open_hours = [hour for hour, kind in kinds.items() if kind in OPEN]
    staged = sum(hour["staged_event_count"] or 0 for hour in hours)
    loaded = sum(hour["loaded_row_count"] or 0 for hour in hours)
    return Load(
        project_id=project_id,
        first_hour=first,
        last_hour=last,
        first_open_hour=min(open_hours, default=None),
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
    return hour["status"].replace("_", " ")


def _hour(hour: datetime) -> str:
    return f"{hour.day} {hour:%b %Y, %H}:00"


def _hours(count: int) -> str:
    return "1 upload hour is" if count == 1 else f"{count:,} upload hours are"
