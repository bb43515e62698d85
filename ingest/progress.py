"""Show the progress of a run: a bar on a terminal, lines elsewhere."""

import logging
import time

from ingest.logs import Bar

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LINES = 30


class Progress:
    """Hours that are done, and bytes that have arrived of all answers.

    A week is one answer, so that bytes move long before an hour is done. For use as a
    context, by one thread.
    """

    def __init__(self, hour_count: int) -> None:
        # The bar is shown on a terminal only.
        self._bar = Bar(total=hour_count, unit="h", disable=None)
        self._hour_count = hour_count
        self._done = 0
        self._begun = self._said = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, hours: int, received_bytes: int) -> None:
        """Count hours as done; `received_bytes` is the total so far."""
        self._done += hours
        now = time.monotonic()
        seconds = max(now - self._begun, 0.1)
        megabytes = received_bytes / 1e6
        arrived = f"{megabytes:,.1f} MB, {megabytes / seconds:.1f} MB/s"
        if not self._bar.disable:
            self._bar.set_postfix_str(arrived, refresh=False)
            self._bar.update(hours)
            self._bar.refresh()
        elif now - self._said > SECONDS_BETWEEN_LINES:
            self._said = now
            log.info(
                "%d of %d hours, %s, %.0f s",
                self._done,
                self._hour_count,
                arrived,
                seconds,
            )
