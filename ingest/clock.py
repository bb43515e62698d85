"""The time at Amplitude: which hours are over is judged by the server's clock.

Every answer carries the server's time in its `Date` header (RFC 9110, 6.6.1), and in
`Age` the seconds for which a cache has kept it (RFC 9111, 5.1).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

from ingest.windows import HOUR

# `Date` has no fractions of a second.
RESOLUTION = timedelta(seconds=1)
MAY_DIFFER = timedelta(minutes=5)
MOST_DIFFERENCE = HOUR
# RFC 9111, 1.2.2: caches count no further than this.
LONGEST_AGE = 2**31


class WrongClock(Exception):
    """This machine's clock and the server's differ too much to continue."""


@dataclass(frozen=True)
class Moment:
    """When an answer was made, and whose clock says so.

    `age` is how long a cache has kept the answer since.
    """

    made_at: datetime
    clock: Literal["server", "machine"]
    age: timedelta = timedelta()


class Clock:
    """The server's time, as known from its answers."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        """`warn` gets a sentence, once, if the clocks differ or cannot be compared."""
        self._warn = warn
        self._has_warned = False
        self._ahead: timedelta | None = None

    def moment(self, at: datetime) -> Moment:
        """The time `at` of this machine's clock, by the server's clock if known."""
        if self._ahead is None:
            return Moment(at, "machine")
        return Moment(at - self._ahead, "server")

    def hear(self, headers: Mapping[str, str], asked_at: datetime) -> Moment:
        """When the answer to a question of `asked_at` (this machine's clock) was made.

        Raises WrongClock if the clocks differ by more than an hour.
        """
        date, age = parse_date(headers.get("Date", "")), _age(headers.get("Age", ""))
        if date is None:
            self._warn_once(
                "Amplitude's answer has no readable Date header, so this machine's"
                " clock decides which hours are over, and empty hours are asked for"
                " again: check the proxy between here and Amplitude"
            )
            return self.moment(asked_at)
        self._ahead = _ahead(date, age, asked_at, datetime.now(UTC))
        if problem := difference(self._ahead, f"Amplitude's, which says {date:%F %T}"):
            self._warn_once(problem)
        return Moment(asked_at - self._ahead - age, "server", age)

    def _warn_once(self, problem: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            self._warn(problem)


def difference(ahead: timedelta, other: str) -> str | None:
    """A sentence if this machine's clock is `ahead` of the `other` by minutes.

    Raises WrongClock with that sentence if it is more than an hour; negative: behind.
    """
    if abs(ahead) <= MAY_DIFFER:
        return None
    side = "ahead of" if ahead > timedelta() else "behind"
    problem = (
        f"this machine's clock is {rounded(abs(ahead))} {side} {other} UTC: set it"
        " right (sudo timedatectl set-ntp true); if it is right, check the proxy"
        " between here and Amplitude"
    )
    if abs(ahead) > MOST_DIFFERENCE:
        raise WrongClock(problem)
    return problem


def rounded(length: timedelta) -> str:
    """The duration in the largest unit of which it has at least two."""
    for unit, seconds in (("days", 86_400), ("h", 3600), ("min", 60)):
        if length.total_seconds() >= 1.9 * seconds:
            return f"{length.total_seconds() / seconds:.0f} {unit}"
    return f"{length.total_seconds():.0f} s"


def _ahead(
    date: datetime, age: timedelta, asked_at: datetime, answered_at: datetime
) -> timedelta:
    """The smallest difference that explains the server's time; may be zero."""
    if date < asked_at - age - RESOLUTION:
        return asked_at - age - RESOLUTION - date
    return min(answered_at - age - date, timedelta())


def parse_date(text: str) -> datetime | None:
    """The time (UTC) of an HTTP date, or None if the text is not one."""
    try:
        date = parsedate_to_datetime(text)
        # "-0000" says UTC without saying where.
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _age(text: str) -> timedelta:
    seconds = int(text) if text.isdecimal() and len(text) <= 10 else 0
    return timedelta(seconds=min(seconds, LONGEST_AGE))
