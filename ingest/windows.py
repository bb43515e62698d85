"""Hours and windows of hours, as the Export API takes them.

An hour is a timezone-aware UTC datetime at minute 0 and stands for the upload hour
(`server_upload_time`) that starts there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)

# Amplitude: data of 20-21 h starts loading at 21 h and is there at 23 h, so an hour
# that began 3 h ago is complete (Export API documentation).
SAFE_AFTER = 3 * HOUR


@dataclass(frozen=True)
class Window:
    """A range of hours, inclusive at both ends, as in the Export API."""

    first: datetime
    last: datetime

    def __len__(self) -> int:
        """The number of hours."""
        return (self.last - self.first) // HOUR + 1

    def __str__(self) -> str:
        if self.first == self.last:
            return f"{self.first:%Y-%m-%dT%H}"
        return f"{self.first:%Y-%m-%dT%H} to {self.last:%Y-%m-%dT%H}"

    def hours(self) -> Iterator[datetime]:
        """The hours, in order."""
        return (self.first + i * HOUR for i in range(len(self)))

    def pieces(self, limit: int) -> "list[Window]":
        """The window cut into windows of at most `limit` hours."""
        return windows(self.hours(), limit)

    def halves(self) -> "list[Window]":
        """The two halves; the window itself if it is a single hour."""
        return self.pieces(max(1, (len(self) + 1) // 2))


def windows(hours: Iterable[datetime], limit: int) -> list[Window]:
    """The fewest windows of at most `limit` hours that hold exactly these hours."""
    found: list[Window] = []
    for hour in sorted(hours):
        if found and hour == found[-1].last + HOUR and len(found[-1]) < limit:
            found[-1] = Window(found[-1].first, hour)
        else:
            found.append(Window(hour, hour))
    return found


def last_safe_hour(now: datetime) -> datetime:
    """The newest hour that Amplitude has exported whole at the time `now`."""
    return now.replace(minute=0, second=0, microsecond=0) - SAFE_AFTER


def parse_hour(text: str, *, end: bool = False) -> datetime:
    """Read `2026-01-31` (its first hour; its last if `end`) or `2026-01-31T05`.

    Raises ValueError if it is neither.
    """
    for form in ("%Y-%m-%dT%H", "%Y%m%dT%H"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    return day + 23 * HOUR if end else day
