"""The windows that still have to be requested, and how long they may be."""

import logging
from collections import deque
from collections.abc import Iterable
from datetime import datetime

from ingest.landing.ledger import Ledger
from ingest.windows import Window, windows

log = logging.getLogger(__name__)

# A week: a year's backfill of a small project is 52 requests, and a run that is killed
# has a week at most to fetch again.
LONGEST_WINDOW_HOURS = 7 * 24

# So many windows in a row that were served are a sign that longer ones may be. A day
# has fewer hours, so a daily run never tries what is known to fail.
WINDOWS_BEFORE_LONGER = 48

# A few hours that are too large alone say nothing of the others; more of them do.
MOST_RESTORES = 3


class Pending:
    """A queue of windows, oldest first, none longer than the API is known to serve.

    The limit is halved when a window is too large, doubled when windows of a length
    were served for long, and kept in the ledger for later runs.
    """

    def __init__(self, hours: Iterable[datetime], ledger: Ledger) -> None:
        self._ledger = ledger
        self._limit = ledger.window_limit_hours or LONGEST_WINDOW_HOURS
        self._windows = deque(windows(hours, self._limit))
        self._shortened: list[tuple[Window, int]] = []
        self._restores_left = MOST_RESTORES
        self._is_length_proven = False
        self._is_trying_longer = False
        self._is_longest_known = False
        self._served_in_a_row = 0

    def __bool__(self) -> bool:
        return bool(self._windows)

    @property
    def hour_count(self) -> int:
        return sum(map(len, self._windows))

    @property
    def is_length_proven(self) -> bool:
        """Whether a window of this length succeeded, so that more may be requested."""
        return self._is_length_proven

    def next(self) -> Window:
        return self._windows.popleft()

    def ask_again(self, hours: Iterable[datetime]) -> None:
        self._windows.extendleft(reversed(windows(hours, self._limit)))

    def halve(self, window: Window) -> None:
        """Request the halves of a window that failed, but not because of its size."""
        self._windows.extendleft(reversed(window.halves()))

    def was_served(self, window: Window) -> None:
        """Try longer windows after many shorter ones succeeded."""
        self._is_length_proven = True
        self._served_in_a_row += 1
        if self._is_trying_longer and len(window) == self._limit:
            self._is_trying_longer = False
            self._learn_limit()
        if self._served_in_a_row < WINDOWS_BEFORE_LONGER or self._is_longest_known:
            return
        if self._limit < LONGEST_WINDOW_HOURS:
            self._set_limit(min(2 * self._limit, LONGEST_WINDOW_HOURS))
            self._is_trying_longer = True

    def was_too_large(self, window: Window, reason: str) -> None:
        """Request its halves, and no longer windows from now on."""
        halves = window.halves()
        self._shortened.append((window, self._limit))
        self._is_longest_known = self._is_longest_known or self._is_trying_longer
        self._windows.extendleft(reversed(halves))
        self._set_limit(min(self._limit, len(halves[0])))
        log.info("%s: %s; asking for %d h at once", window, reason, self._limit)
        self._learn_limit()

    def hour_was_too_large(self, hour: datetime) -> None:
        """One hour alone was too large: windows without it keep their length."""
        limit = self._limit
        while self._shortened and hour in self._shortened[-1][0].hours():
            _, limit = self._shortened.pop()
        if limit > self._limit and self._restores_left:
            self._restores_left -= 1
            self._set_limit(limit)
            self._learn_limit()

    def _set_limit(self, limit: int) -> None:
        self._limit = limit
        self._is_length_proven = self._is_trying_longer = False
        self._served_in_a_row = 0
        hours = (hour for window in self._windows for hour in window.hours())
        self._windows = deque(windows(hours, limit))

    def _learn_limit(self) -> None:
        limit = self._limit if self._limit < LONGEST_WINDOW_HOURS else None
        self._ledger.learn_window_limit(limit)
