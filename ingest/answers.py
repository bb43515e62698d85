"""One answer: ask for a window, verify and land each of its files."""

import logging
import random
import secrets
import threading
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Literal

from ingest import archive
from ingest.archive import ArchiveError, TooManyMembers
from ingest.buffer import BufferedMember, MemberBuffer
from ingest.clock import Clock, Moment, rounded
from ingest.erased_events import ErasedEvents
from ingest.export import (
    Busy,
    ExportClient,
    Interrupted,
    NoData,
    Outage,
    Unreachable,
    WindowTooLarge,
)
from ingest.landing import DamagedObject, Landing
from ingest.landing.ledger import EMPTY_UNTIL, HourRecord, LandedFile, Ledger
from ingest.members import Format, MemberError, MemberName, verify
from ingest.settings import Settings, SettingsError
from ingest.summary import Summary
from ingest.windows import Window, last_safe_hour

log = logging.getLogger(__name__)

# Amplitude allows 5 requests at once to a project; one is left for other clients.
MOST_REQUESTS_AT_ONCE = 4

# Members that are verified and uploaded at once: two keep two cores busy, the others
# use the time in which an upload waits.
LANDERS = 4

ATTEMPTS = 5
ATTEMPTS_TO_CONNECT = 3
ATTEMPTS_AT_DAMAGED = 2
LONGEST_BACKOFF_SECONDS = 60


@dataclass(frozen=True)
class Options:
    """Options of a run: see `python -m ingest --help`."""

    format: Format = "json.gz"
    validate: bool = False
    workers: int = MOST_REQUESTS_AT_ONCE
    replace: bool = False


@dataclass(frozen=True)
class Landed:
    """A complete answer.

    `not_over` are hours that Amplitude had not completely exported when it answered.
    """

    records: list[HourRecord]
    faults: dict[datetime, str]
    not_over: list[datetime]


@dataclass(frozen=True)
class Failed:
    """A window without a complete answer.

    `is_too_much`: a shorter window may succeed. `is_transient`: the same one may later.
    """

    reason: str
    is_too_much: bool = False
    is_transient: bool = True


class Lander:
    """Requests windows and lands their files; several threads may use it at once."""

    def __init__(
        self,
        settings: Settings,
        landing: Landing,
        ledger: Ledger,
        options: Options,
        summary: Summary,
        clock: Clock,
        erased_events: ErasedEvents | None = None,
    ) -> None:
        """Requests are counted in `summary`; `erased_events` do not land."""
        self._settings = settings
        self._landing = landing
        self._ledger = ledger
        self._options = options
        self._summary = summary
        self._clock = clock
        self._erased_events = erased_events
        self._counting = threading.Lock()
        self._run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self._stop = threading.Event()
        self._landers = ThreadPoolExecutor(LANDERS, thread_name_prefix="lander")
        self._buffer = MemberBuffer()
        self._client = ExportClient(settings, self._stop.is_set, self._clock)

    @property
    def received_bytes(self) -> int:
        """Bytes of all answers so far, as received over the network."""
        return self._client.received_bytes

    def stop(self) -> None:
        """End as soon as possible, without waiting for threads that read a socket."""
        self._stop.set()
        self._landers.shutdown(wait=False, cancel_futures=True)

    def answer(self, window: Window) -> Landed | Failed:
        """Request a window until an answer is complete or a retry is useless."""
        for attempt in count(1):
            pause = None
            with self._counting:
                self._summary.requests += 1
                self._summary.retries += attempt > 1
            try:
                return self._land_window(window)
            except WindowTooLarge as fault:
                reason, most = str(fault), ATTEMPTS_AT_DAMAGED
                if len(window) > 1 or attempt == most or not fault.is_transient:
                    return Failed(
                        reason, is_too_much=True, is_transient=fault.is_transient
                    )
            except Busy as fault:
                reason, most, pause = str(fault), ATTEMPTS, fault.retry_after
                if fault.is_throttled and attempt == most:
                    raise Outage(f"Amplitude is busy ({reason})") from fault
            except ArchiveError as fault:
                reason, most = str(fault), ATTEMPTS_AT_DAMAGED
            except Unreachable as fault:
                reason, most = str(fault), ATTEMPTS_TO_CONNECT
                if attempt == most:
                    raise
            if attempt == most:
                return Failed(reason)
            self._wait(window, reason, attempt, pause)
        raise AssertionError

    def _wait(
        self, window: Window, reason: str, attempt: int, pause: float | None
    ) -> None:
        if pause is None:
            # Jitter, so that clients that failed together come back apart:
            # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter
            backoff = self._settings.backoff_seconds * 2**attempt
            pause = random.uniform(0.5, 1) * min(backoff, LONGEST_BACKOFF_SECONDS)
        log.info("%s: %s; again in %.1f s", window, reason, pause)
        if self._stop.wait(pause):
            raise Interrupted

    def _land_window(self, window: Window) -> Landed:
        landed: dict[MemberName, LandedFile | str | None] = {}
        landing: deque[tuple[MemberName, Future[LandedFile | str]]] = deque()
        try:
            with self._client.open(window) as answer:
                moment = answer.moment
                for name, content in archive.members(answer.chunks):
                    member = self._recognise(name, window)
                    if member in landed:
                        raise ArchiveError(f"two members are {member}")
                    landed[member] = None
                    held = self._buffer.hold(content)
                    future = self._landers.submit(self._land_member, member, held)
                    landing.append((member, future))
                    # Rather now than when the archive has ended, if landing fails.
                    while landing and landing[0][1].done():
                        done, future = landing.popleft()
                        landed[done] = future.result()
            if not landed:
                raise ArchiveError("the archive contains no file")
        except TooManyMembers as fault:
            raise WindowTooLarge(str(fault)) from fault
        except NoData as nothing:
            moment = nothing.moment
            log.debug("%s: %s", window, nothing)
        finally:
            wait(future for _, future in landing)
        files: dict[datetime, list[LandedFile]] = defaultdict(list)
        faults: dict[datetime, str] = {}
        landed |= {member: future.result() for member, future in landing}
        safe = last_safe_hour(moment.made_at)
        safe_now = last_safe_hour(moment.made_at + moment.age)
        for member, result in landed.items():
            if isinstance(result, LandedFile):
                files[member.hour].append(result)
            elif member.hour <= safe_now:
                faults[member.hour] = str(result)
        for hour in window.hours():
            if safe < hour <= safe_now:
                faults[hour] = (
                    f"the answer comes from a cache and is {rounded(moment.age)} old"
                )
        is_old = moment.made_at - EMPTY_UNTIL
        records = [
            self.hour_record(window, hour, "landed", files[hour], moment, True)
            if hour in files
            else self.hour_record(
                window,
                hour,
                "empty",
                [],
                moment,
                hour <= is_old and moment.clock == "server",
            )
            for hour in window.hours()
            if hour <= safe and hour not in faults
        ]
        not_over = [hour for hour in window.hours() if hour > safe_now]
        return Landed(records, faults, not_over)

    def _recognise(self, name: str, window: Window) -> MemberName:
        try:
            member = MemberName.parse(name)
        except MemberError as error:
            raise ArchiveError(f"unexpected member: {error}") from None
        if not window.first <= member.hour <= window.last:
            raise ArchiveError(f"unexpected member: {name} is not of {window}")
        self._ledger.project_id = self._ledger.project_id or member.project_id
        if member.project_id != self._ledger.project_id:
            raise SettingsError(
                f"AMP_API_KEY is of project {member.project_id}, but AMP_PROJECT_ID or"
                f" the ledger says {self._ledger.project_id}"
            )
        return member

    def _land_member(
        self, member: MemberName, held: BufferedMember
    ) -> LandedFile | str:
        """Verify and land a member; returns the problem if it is damaged."""
        format = self._options.format
        with held as gzipped:
            try:
                verified = verify(gzipped, format, validate=self._options.validate)
            except MemberError as error:
                return f"{member.name}: {error}"
            if self._erased_events:
                verified = self._erased_events.leave_out(member, verified)
            key = (
                f"events/{member.project_id}/{member.hour:%Y-%m-%d/%H}/"
                f"{member.part}-{verified.sha256[:16]}.{format}"
            )
            try:
                with verified.content as content:
                    self._landing.put(
                        key, content, verified.sha256, replace=self._options.replace
                    )
            except DamagedObject as error:
                return str(error)
        return LandedFile(
            key=key,
            member=member.name,
            event_count=verified.event_count,
            byte_count=verified.byte_count,
            sha256=verified.sha256,
        )

    def hour_record(
        self,
        window: Window,
        hour: datetime,
        status: Literal["landed", "empty", "too_large"],
        files: list[LandedFile],
        moment: Moment,
        is_settled: bool,
    ) -> HourRecord:
        return HourRecord(
            project_id=self._ledger.project_id,
            hour=hour,
            status=status,
            is_settled=is_settled,
            files=files,
            window_start=window.first,
            window_end=window.last,
            exported_at=moment.made_at,
            clock=moment.clock,
            run_id=self._run_id,
            api_key_id=self._settings.api_key_id,
        )
