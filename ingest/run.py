"""Lead a run: ask for the open hours, land what comes, record what is settled."""

import logging
import random
import secrets
import threading
from collections import defaultdict, deque
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Literal

from ingest import archive
from ingest.archive import ArchiveError, TooManyMembers
from ingest.clock import Clock, Moment, rounded
from ingest.erasures import Erased, ErasedId, Erasure, Noting, put_erasure, without
from ingest.export import (
    Busy,
    ExportClient,
    Interrupted,
    NoData,
    TooMuch,
    Unreachable,
)
from ingest.landing import DamagedObject, Landing
from ingest.ledger import EMPTY_UNTIL, HourRecord, LandedFile, Ledger
from ingest.members import Format, MemberError, MemberName, Proof, prove
from ingest.progress import SECONDS_BETWEEN_LOOKS, Progress
from ingest.room import Held, Room
from ingest.settings import Settings, SettingsError
from ingest.summary import Summary
from ingest.windows import Window, last_safe_hour, windows

log = logging.getLogger(__name__)

# A week: a year's backfill of a small project is 52 requests, and a run that is killed
# has a week at most to fetch again.
LONGEST_WINDOW_HOURS = 7 * 24

# Amplitude allows 5 requests at once to a project; one is left for other clients.
MOST_REQUESTS_AT_ONCE = 4

# Members that are proven and uploaded at once: two keep two cores busy, and the others
# hide what an upload waits for.
LANDERS = 4

# So many windows in a row that were served are a sign that longer ones may be. A day
# has fewer hours, so a daily run never tries what is known to fail.
WINDOWS_BEFORE_LONGER = 48

# A few hours that are too large alone say nothing of the others; more of them do.
MOST_RESTORES = 3

ATTEMPTS = 5
ATTEMPTS_TO_CONNECT = 3
ATTEMPTS_AT_DAMAGED = 2
LONGEST_BACKOFF_SECONDS = 60

# So many failed windows in a row are an outage, not a few bad hours.
FAILURES_IN_A_ROW = 12


class Outage(Exception):
    """The API cannot be worked with now: the run ends, the rest stays open."""


@dataclass(frozen=True)
class Options:
    """How to land: see `python -m ingest --help`."""

    format: Format = "json.gz"
    validate: bool = False
    workers: int = MOST_REQUESTS_AT_ONCE
    replace: bool = False


@dataclass(frozen=True)
class _Landed:
    """An answer that was read to its end.

    `not_over` are hours that Amplitude had not exported whole when it answered.
    """

    records: list[HourRecord]
    faults: dict[datetime, str]
    not_over: list[datetime]


@dataclass(frozen=True)
class _Failed:
    """A window that gave no whole answer.

    `is_too_much`: a shorter one may. `may_pass`: the same may another time.
    """

    reason: str
    is_too_much: bool = False
    may_pass: bool = True


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
        """What happens is counted in `summary`; events of the erased do not land."""
        self._settings = settings
        self._landing = landing
        self._ledger = ledger
        self._options = options
        self._erased = erased
        self._linking = threading.Lock()
        self._has_linked = False
        self._run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self._stop = threading.Event()
        self._counting = threading.Lock()
        self._lander = ThreadPoolExecutor(LANDERS, thread_name_prefix="lander")
        self._room = Room()
        self._clock = Clock(self._warn)
        self._client = ExportClient(settings, self._stop.is_set, self._clock)
        self._limit = ledger.window_limit_hours or LONGEST_WINDOW_HOURS
        self._pending: deque[Window] = deque()
        self._faulty: set[datetime] = set()
        self._shortened: list[tuple[Window, int]] = []
        self._restores_left = MOST_RESTORES
        self._has_served = False
        self._is_length_proven = False
        self._is_trying_longer = False
        self._is_longest_known = False
        self._served_in_a_row = 0
        self._failures_in_a_row = 0
        self._summary = summary

    def land(self, hours: Iterable[datetime]) -> None:
        """Ask for the hours and land them; what is settled is in the ledger after.

        Raises Refused, Unreachable, Outage, WrongClock, LandingError, SettingsError or
        KeyboardInterrupt when the run cannot go on; hours settled until then stay so.
        """
        self._pending.extend(windows(hours, self._limit))
        hour_count = sum(map(len, self._pending))
        workers = min(self._options.workers, MOST_REQUESTS_AT_ONCE)
        running: dict[Future[_Landed | _Failed], Window] = {}
        pool = ThreadPoolExecutor(workers)
        try:
            with Progress(hour_count) as progress:
                while self._pending or running:
                    # One at a time until a window of this length has worked: so that
                    # what is too long is paid for once.
                    most = workers if self._is_length_proven else 1
                    while self._pending and len(running) < most:
                        window = self._pending.popleft()
                        running[pool.submit(self._answer, window)] = window
                    done, _ = wait(running, SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)
                    hours_done = 0
                    for future in done:
                        hours_done += self._take(running.pop(future), future.result())
                    progress.update(hours_done, self._client.received_bytes)
        finally:
            self._stop.set()
            # A thread may sit in a socket for minutes; what it does is not recorded.
            for threads in (pool, self._lander):
                threads.shutdown(wait=False, cancel_futures=True)
            if hour_count > self._summary.hours.total():
                left = hour_count - self._summary.hours.total()
                self._summary.hours["open"] += left
            if self._has_linked:
                self._warn(
                    "erased persons have sent events with new amplitude ids: make erase"
                    " CONFIRM=1 deletes what has landed of these before"
                )
            self._ledger.flush(is_last=True)

    def _take(self, window: Window, answer: _Landed | _Failed) -> int:
        """Record what an answer settled, ask again for what it did not.

        Returns the number of hours that are done with.
        """
        if isinstance(answer, _Landed):
            self._has_served = self._is_length_proven = True
            self._failures_in_a_row = 0
            done = self._record(answer)
            self._lengthen(len(window))
            return done
        if answer.is_too_much and len(window) > 1:
            return self._shorten(window, answer.reason)
        # An API that rejects every hour as too large is misbehaving.
        self._failures_in_a_row += answer.may_pass or not self._has_served
        if self._failures_in_a_row == FAILURES_IN_A_ROW:
            raise Outage(
                f"{FAILURES_IN_A_ROW} windows failed in a row, the last one with:"
                f" {answer.reason}"
            )
        if answer.is_too_much:
            return self._record_too_large(window, answer)
        if len(window) == 1:
            return self._leave_open(window.first, answer.reason)
        log.warning("%s: %s; asking for its halves", window, answer.reason)
        self._pending.extendleft(reversed(window.halves()))
        return 0

    def _record(self, answer: _Landed) -> int:
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
        self._pending.extendleft(reversed(windows(again, self._limit)))
        return done

    def _pass_over(self, hours: list[datetime]) -> int:
        """Leave hours to a later run that Amplitude has not exported whole yet."""
        for window in windows(hours, LONGEST_WINDOW_HOURS):
            log.info("%s: not complete at Amplitude yet, by its clock", window)
        self._summary.hours.update(["not over"] * len(hours))
        return len(hours)

    def _shorten(self, window: Window, reason: str) -> int:
        halves = window.halves()
        self._shortened.append((window, self._limit))
        self._is_longest_known = self._is_longest_known or self._is_trying_longer
        self._pending.extendleft(reversed(halves))
        self._set_limit(min(self._limit, len(halves[0])))
        log.info("%s: %s; asking for %d h at once", window, reason, self._limit)
        self._learn_limit()
        return 0

    def _lengthen(self, served: int) -> None:
        """Try longer windows when shorter ones were served for long."""
        self._served_in_a_row += 1
        if self._is_trying_longer and served == self._limit:
            self._is_trying_longer = False
            self._learn_limit()
        if self._served_in_a_row < WINDOWS_BEFORE_LONGER or self._is_longest_known:
            return
        if self._limit < LONGEST_WINDOW_HOURS:
            self._set_limit(min(2 * self._limit, LONGEST_WINDOW_HOURS))
            self._is_trying_longer = True

    def _restore_limit(self, hour: datetime) -> None:
        """One hour was too large by itself: windows without it may be as before."""
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
        hours = (hour for window in self._pending for hour in window.hours())
        self._pending = deque(windows(hours, limit))

    def _learn_limit(self) -> None:
        limit = self._limit if self._limit < LONGEST_WINDOW_HOURS else None
        self._ledger.learn_window_limit(limit)

    def _record_too_large(self, window: Window, answer: _Failed) -> int:
        """Settle an hour that was refused for its size by an API that serves others.

        Of any other the next run asks again: an outage looks the same.
        """
        moment = self._clock.moment(datetime.now(UTC))
        if window.first > last_safe_hour(moment.made_at):
            return self._pass_over([window.first])
        is_settled = self._has_served and not answer.may_pass
        advice = (
            "Amplitude delivers such an hour by its own export to Amazon S3."
            if is_settled
            else "The next run asks again."
        )
        self._report(
            f"{window} is too large for the Export API ({answer.reason}). {advice}"
        )
        self._ledger.add(
            self._new_record(window, window.first, "too_large", [], moment, is_settled)
        )
        self._ledger.flush()
        self._summary.hours["too_large"] += 1
        self._restore_limit(window.first)
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

    def _answer(self, window: Window) -> _Landed | _Failed:
        """Ask for a window until there is an answer or no use in asking again."""
        for attempt in count(1):
            pause = None
            with self._counting:
                self._summary.requests += 1
                self._summary.retries += attempt > 1
            try:
                return self._land_window(window)
            except TooMuch as fault:
                reason, most = str(fault), ATTEMPTS_AT_DAMAGED
                if len(window) > 1 or attempt == most or not fault.may_pass:
                    return _Failed(reason, is_too_much=True, may_pass=fault.may_pass)
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
                return _Failed(reason)
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

    def _land_window(self, window: Window) -> _Landed:
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
                    held = self._room.hold(content)
                    future = self._lander.submit(self._land_member, member, held)
                    landing.append((member, future))
                    # Rather now than when the archive has ended, if landing fails.
                    while landing and landing[0][1].done():
                        done, future = landing.popleft()
                        landed[done] = future.result()
            if not landed:
                raise ArchiveError("the archive holds no file")
        except TooManyMembers as fault:
            raise TooMuch(str(fault)) from fault
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
            self._new_record(window, hour, "landed", files[hour], moment, True)
            if hour in files
            else self._new_record(
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
        return _Landed(records, faults, not_over)

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

    def _land_member(self, member: MemberName, held: Held) -> LandedFile | str:
        """Prove and land a member; returns what is wrong with it if something is."""
        format = self._options.format
        with held as gzipped:
            try:
                proof = prove(gzipped, format, validate=self._options.validate)
            except MemberError as error:
                return f"{member.name}: {error}"
            if self._erased:
                proof = self._leave_out(member, proof, self._erased)
            key = (
                f"events/{member.project_id}/{member.hour:%Y-%m-%d/%H}/"
                f"{member.part}-{proof.sha256[:16]}.{format}"
            )
            try:
                with proof.content as content:
                    self._landing.put(
                        key, content, proof.sha256, replace=self._options.replace
                    )
            except DamagedObject as error:
                return str(error)
        return LandedFile(
            key=key,
            member=member.name,
            event_count=proof.event_count,
            byte_count=proof.byte_count,
            sha256=proof.sha256,
        )

    def _leave_out(self, member: MemberName, proof: Proof, erased: Erased) -> Proof:
        """What is to land without the events of persons who have been erased."""
        is_gzip = self._options.format == "json.gz"
        noting = Noting(erased.salt, erased.given, erased.linked)
        rest = without(proof.content, noting, member.project_id, is_gzip=is_gzip)
        if rest.content and (links := noting.new_links(member.project_id)):
            rest.content.close()
            erased = self._link(erased, links)
            rest = without(proof.content, erased, member.project_id, is_gzip=is_gzip)
        if rest.content is None:
            proof.content.seek(0)
            return proof
        log.info("%s: %d events of erased persons", member.name, rest.erased_count)
        with self._counting:
            self._summary.erased_events += rest.erased_count
        return Proof(rest.content, rest.byte_count, rest.sha256, rest.event_count)

    def _link(self, erased: Erased, links: set[ErasedId]) -> Erased:
        """Record amplitude ids that erased users have got since; returns all ids.

        First, so that nothing of them lands from then on.
        """
        with self._linking:
            known = self._erased or erased
            if new := sorted(links - known.linked, key=lambda one: one.hash):
                put_erasure(
                    self._landing, Erasure(datetime.now(UTC), erased.salt.id, [], new)
                )
                self._has_linked = True
                self._erased = replace(known, linked=known.linked | set(new))
            return self._erased or known

    def _new_record(
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
