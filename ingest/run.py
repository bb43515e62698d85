"""A run: request the open hours, and record the settled ones."""

import logging
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime

from ingest.answers import (
    MOST_REQUESTS_AT_ONCE,
    Failed,
    Landed,
    Lander,
    Options,
)
from ingest.clock import Clock
from ingest.erased_events import ErasedEvents
from ingest.erasures import Erased
from ingest.export import Outage
from ingest.landing import Landing
from ingest.landing.ledger import Ledger
from ingest.pending import LONGEST_WINDOW_HOURS, Pending
from ingest.progress import SECONDS_BETWEEN_LOOKS, Progress
from ingest.settings import Settings
from ingest.summary import Summary
from ingest.windows import Window, last_safe_hour, windows

log = logging.getLogger(__name__)

# So many failed windows in a row are an outage, not a few bad hours.
FAILURES_IN_A_ROW = 12


class Run:
    """One run over a set of hours."""

    def __init__(
        self,
        settings: Settings,
        landing: Landing,
        ledger: Ledger,
        options: Options,
        summary: Summary,
        erased: Erased | None = None,
    ) -> None:
        """Results are counted in `summary`; events of erased persons do not land."""
        self._ledger = ledger
        self._summary = summary
        self._workers = min(options.workers, MOST_REQUESTS_AT_ONCE)
        self._clock = Clock(self._warn)
        self._erased_events = (
            ErasedEvents(landing, erased, options.format, summary) if erased else None
        )
        self._lander = Lander(
            settings,
            landing,
            ledger,
            options,
            summary,
            self._clock,
            self._erased_events,
        )
        self._pending = Pending([], ledger)
        self._faulty: set[datetime] = set()
        self._has_served = False
        self._failures_in_a_row = 0

    def land(self, hours: Iterable[datetime]) -> None:
        """Ask for the hours and land them; what is settled is in the ledger after.

        Raises Refused, Unreachable, Outage, WrongClock, LandingError, SettingsError or
        KeyboardInterrupt when the run cannot go on; hours settled until then stay so.
        """
        self._pending = pending = Pending(hours, self._ledger)
        hour_count = pending.hour_count
        running: dict[Future[Landed | Failed], Window] = {}
        pool = ThreadPoolExecutor(self._workers)
        try:
            with Progress(hour_count) as progress:
                while pending or running:
                    # One at a time until a window of this length has worked: so that
                    # what is too long is paid for once.
                    most = self._workers if pending.is_length_proven else 1
                    while pending and len(running) < most:
                        window = pending.next()
                        running[pool.submit(self._lander.answer, window)] = window
                    done, _ = wait(running, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                    hours_done = 0
                    for future in done:
                        hours_done += self._handle(running.pop(future), future.result())
                    progress.update(hours_done, self._lander.received_bytes)
        finally:
            # A thread may sit in a socket for minutes; what it does is not recorded.
            self._lander.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            if hour_count > self._summary.hours.total():
                left = hour_count - self._summary.hours.total()
                self._summary.hours["open"] += left
            if self._erased_events and self._erased_events.has_linked:
                self._warn(
                    "erased persons have sent events with new amplitude ids: make erase"
                    " CONFIRM=1 deletes what has landed of these before"
                )
            self._ledger.flush(is_last=True)

    def _handle(self, window: Window, answer: Landed | Failed) -> int:
        """Record the hours that an answer settled, and request the others again.

        Returns the number of finished hours.
        """
        if isinstance(answer, Landed):
            self._has_served = True
            self._failures_in_a_row = 0
            done = self._record(answer)
            self._pending.was_served(window)
            return done
        if answer.is_too_much and len(window) > 1:
            self._pending.was_too_large(window, answer.reason)
            return 0
        # An API that rejects every hour as too large is misbehaving.
        self._failures_in_a_row += answer.is_transient or not self._has_served
        if self._failures_in_a_row == FAILURES_IN_A_ROW:
            raise Outage(
                f"{FAILURES_IN_A_ROW} windows failed in a row, the last one with:"
                f" {answer.reason}"
            )
        if answer.is_too_much:
            return self._record_too_large(window, answer)
        if len(window) == 1:
            return self._leave_open(window.first, answer.reason)
        log.warning("%s: %s; requesting its halves", window, answer.reason)
        self._pending.halve(window)
        return 0

    def _record(self, answer: Landed) -> int:
        done = self._pass_over(answer.not_over)
        for record in answer.records:
            known = self._ledger.record_of(record.hour)
            if known and known.status == "landed" and record.status == "empty":
                done += self._leave_open(
                    record.hour,
                    "Amplitude now reports no data for it; the landed files stay",
                )
                continue
            self._ledger.add(record)
            self._summary.hours[record.status] += 1
            self._summary.events += record.event_count
            self._summary.bytes += record.byte_count
            done += 1
        self._ledger.flush()
        again = []
        for hour, reason in answer.faults.items():
            if hour in self._faulty:
                done += self._leave_open(hour, reason)
            else:
                log.warning("%s; asking again", reason)
                again.append(hour)
        self._faulty.update(again)
        self._pending.ask_again(again)
        return done

    def _pass_over(self, hours: list[datetime]) -> int:
        """Leave hours that Amplitude has not completely exported to a later run."""
        for window in windows(hours, LONGEST_WINDOW_HOURS):
            log.info("%s: not complete at Amplitude yet, by its clock", window)
        self._summary.hours.update(["not over"] * len(hours))
        return len(hours)

    def _record_too_large(self, window: Window, answer: Failed) -> int:
        """Settle an hour that was refused for its size by an API that serves others.

        Of any other the next run asks again: an outage looks the same.
        """
        moment = self._clock.moment(datetime.now(UTC))
        if window.first > last_safe_hour(moment.made_at):
            return self._pass_over([window.first])
        is_settled = self._has_served and not answer.is_transient
        advice = (
            "Amplitude delivers such an hour through its own export to Amazon S3."
            if is_settled
            else "The next run requests it again."
        )
        self._report(
            f"{window} is too large for the Export API ({answer.reason}). {advice}"
        )
        self._ledger.add(
            self._lander.hour_record(
                window, window.first, "too_large", [], moment, is_settled
            )
        )
        self._ledger.flush()
        self._summary.hours["too_large"] += 1
        self._pending.hour_was_too_large(window.first)
        return 1

    def _leave_open(self, hour: datetime, reason: str) -> int:
        self._report(f"{Window(hour, hour)} stays open: {reason}")
        self._summary.hours["open"] += 1
        return 1

    def _warn(self, problem: str) -> None:
        log.warning("%s", problem)
        self._summary.problems.append(problem)

    def _report(self, problem: str) -> None:
        log.error("%s", problem)
        self._summary.problems.append(problem)
