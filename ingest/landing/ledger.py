"""The ledger: what each upload hour holds, kept in the landing beside the events.

An object `ledger/<project_id>/<YYYY-MM-DD>/<run_id>-<HH>.json` holds one JSON line for
each hour that one answer of the Export API settled. Lines are only ever added; of
several for one hour the newest counts (see `HourRecord.rank`). A line that an erasure
adds repeats the newest one with other files, and names those it has taken the place of
(`erased_files`), which no older line counts for. Beside it
`limits/<api_key_id>/` holds an object for each time that a longest useful window was
learned; there, too, the newest counts.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

from ingest import __version__
from ingest.landing import Landing, LandingError
from ingest.windows import HOUR

# A 404 may come from a delay at Amplitude rather than from an hour without events.
EMPTY_UNTIL = 48 * HOUR

# A limit on windows may come from a bad day of the API; after this it is tried again.
LIMIT_LASTS = timedelta(days=14)

UNKNOWN_PROJECT = "unknown"

# What is named otherwise is not the ingest's, wherever it lies.
LEDGER_KEY = re.compile(r"ledger/[\w-]+/\d{4}-\d\d-\d\d/[\w.-]+\.json", re.ASCII)
LIMIT_KEY = re.compile(r"limits/\w+/[\w.-]+\.json", re.ASCII)

# What reading a line of the wrong form raises.
MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)

TIMES = ("hour", "window_start", "window_end", "exported_at")
STATUSES = ("landed", "empty", "too_large")
CLOCKS = ("wrong", "machine", "server")

# No record was made later than it landed; clocks of machines may differ by so much.
CLOCK_MAY_DIFFER = HOUR


@dataclass(frozen=True)
class LandedFile:
    """An object in the landing and the archive's member it came from."""

    key: str
    member: str
    event_count: int
    byte_count: int
    sha256: str


@dataclass(frozen=True)
class ErasedFile:
    """A file of the hour that was rewritten without an erased person's events."""

    key: str


@dataclass(frozen=True)
class HourRecord:
    """The result of an upload hour.

    `project_id` is None while no member has named the project yet.
    `is_settled`: the hour need not be requested again. `exported_at` is when
    it was asked for: what was asked for later is newer, however long it took.
    `clock` says whose time that is: Amplitude's, this machine's where no answer told
    the time, or (only as read) `wrong` for a time that cannot be.
    """

    project_id: str | None
    hour: datetime
    status: Literal["landed", "empty", "too_large"]
    is_settled: bool
    files: list[LandedFile]
    window_start: datetime
    window_end: datetime
    exported_at: datetime
    run_id: str
    api_key_id: str
    clock: Literal["server", "machine", "wrong"] = "machine"
    erased_files: list[ErasedFile] = field(default_factory=list)

    @property
    def rank(self) -> tuple[int, datetime]:
        """Of several records of an hour the highest counts.

        A server's time is never wrong, and all records without it are older.
        """
        return CLOCKS.index(self.clock), self.exported_at

    @property
    def event_count(self) -> int:
        return sum(file.event_count for file in self.files)

    @property
    def byte_count(self) -> int:
        return sum(file.byte_count for file in self.files)

    def to_line(self) -> str:
        counts = {
            "event_count": self.event_count,
            "file_count": len(self.files),
            "byte_count": self.byte_count,
            "ingest_version": __version__,
        }
        values = asdict(self) | counts
        if not self.erased_files:
            del values["erased_files"]
        return json.dumps(values, default=datetime.isoformat)

    @classmethod
    def from_line(cls, line: bytes) -> "HourRecord":
        """Raises ValueError, KeyError or TypeError if the line is not a record."""
        given: dict[str, Any] = json.loads(line)
        if not isinstance(given, dict):
            raise TypeError("a line is not a JSON object")
        # Lines of version 0.1.0 have no `clock`; few have `erased_files`.
        given.setdefault("clock", "machine")
        given.setdefault("erased_files", [])
        values = {one.name: given[one.name] for one in fields(cls)}
        for name in TIMES:
            values[name] = datetime.fromisoformat(values[name]).astimezone(UTC)
        if values["clock"] not in CLOCKS:
            raise ValueError(f"clock {values['clock']!r} is not one of {CLOCKS}")
        values["files"] = [LandedFile(**file) for file in values["files"]]
        values["erased_files"] = [ErasedFile(**file) for file in values["erased_files"]]
        record = cls(**values)
        record._check(given)
        return record

    def _check(self, given: dict[str, Any]) -> None:
        """Raises ValueError if a value is not what a run writes: dbt reads it too."""
        if self.status not in STATUSES or not isinstance(self.is_settled, bool):
            raise ValueError(f"status {self.status!r}, is_settled {self.is_settled!r}")
        counts = [
            count
            for file in self.files
            for count in (file.event_count, file.byte_count)
        ]
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError(f"counts {counts!r} are not whole numbers")
        own = {
            "event_count": self.event_count,
            "file_count": len(self.files),
            "byte_count": self.byte_count,
        }
        for name, count in own.items():
            if given.get(name, count) != count:
                raise ValueError(f"{name} is {given[name]!r}, its files have {count}")


class Ledger:
    """The ledger of one project, as read at the start and extended by the run."""

    def __init__(
        self,
        landing: Landing,
        api_key_id: str,
        project_id: str | None,
        now: datetime,
    ) -> None:
        """Read it. `project_id` None means: the project that the API key belongs to.

        Without a key (an empty `api_key_id`) it is only for reading, and the keys that
        files of the project were exported with stand in for it.

        Raises LandingError if the landing or a line in it cannot be read.
        """
        self._landing = landing
        self._api_key_id = api_key_id
        self._records: dict[datetime, HourRecord] = {}
        self._unwritten: list[HourRecord] = []
        self.project_id = project_id
        self.newest_server_time: datetime | None = None
        # Files that an erasure has taken out, and that were not exported again since.
        self.erased_keys: set[str] = set()
        records = [one for _, lines in read_ledger(landing, now) for one in lines]
        keys = {api_key_id} if api_key_id else _keys_of(project_id, records)
        for record in sorted(records, key=lambda record: record.rank):
            if record.clock == "server":
                self.newest_server_time = record.exported_at
            self.erased_keys -= {file.key for file in record.files}
            self.erased_keys |= {file.key for file in record.erased_files}
            # What has no file may have been asked for with the key of another project.
            if project_id and record.project_id and record.files:
                is_ours = record.project_id == project_id
            else:
                is_ours = record.api_key_id in keys
            if is_ours:
                self._records[record.hour] = record
                self.project_id = self.project_id or record.project_id
        self.window_limit_hours = _read_window_limit(landing, api_key_id, now)

    @property
    def first_hour(self) -> datetime | None:
        """The oldest hour in the ledger."""
        return min(self._records, default=None)

    @property
    def last_hour(self) -> datetime | None:
        """The newest hour in the ledger."""
        return max(self._records, default=None)

    def is_open(self, hour: datetime) -> bool:
        """Whether the hour has to be requested."""
        record = self.record_of(hour)
        return record is None or not record.is_settled or record.clock == "wrong"

    def record_of(self, hour: datetime) -> HourRecord | None:
        """The newest record of the hour."""
        return self._records.get(hour)

    def learn_window_limit(self, hours: int | None) -> None:
        """Remember at once that no longer window is served; None: that any is.

        Raises LandingError.
        """
        self.window_limit_hours = hours
        now = datetime.now(UTC)
        limit = {"window_limit_hours": hours, "learned_at": now.isoformat()}
        _put(
            self._landing,
            f"limits/{self._api_key_id}/{now:%Y%m%dT%H%M%S.%fZ}.json",
            json.dumps(limit),
        )

    def add(self, record: HourRecord) -> None:
        """Add a record; `flush` writes it."""
        self._records[record.hour] = record
        self._unwritten.append(record)

    def flush(self, *, is_last: bool = False) -> None:
        """Write what waits; while no member has named the project, only if `is_last`.

        Raises LandingError.
        """
        project = self.project_id
        if not (project or is_last):
            return
        waiting = sorted(self._unwritten, key=lambda record: record.hour)
        for _, records in groupby(waiting, key=lambda record: record.hour.date()):
            put_records(
                self._landing,
                [replace(record, project_id=project) for record in records],
            )
        self._unwritten.clear()


def _keys_of(project_id: str | None, records: list[HourRecord]) -> set[str]:
    return {
        record.api_key_id
        for record in records
        if record.files and record.project_id == project_id
    }


def projects_of(landing: Landing, now: datetime) -> list[str]:
    """The projects with landed files. Raises LandingError."""
    records = (record for _, lines in read_ledger(landing, now) for record in lines)
    return sorted({r.project_id for r in records if r.project_id and r.files})


def put_records(landing: Landing, records: list[HourRecord]) -> None:
    """Write records of one project, day and run as one object. Raises LandingError."""
    first = records[0]
    project = first.project_id or UNKNOWN_PROJECT
    _put(
        landing,
        f"ledger/{project}/{first.hour:%Y-%m-%d}/{first.run_id}-{first.hour:%H}.json",
        "".join(record.to_line() + "\n" for record in records),
    )


def _put(landing: Landing, key: str, text: str) -> None:
    content = text.encode()
    landing.put(key, io.BytesIO(content), sha256(content).hexdigest())


def read_ledger(
    landing: Landing, now: datetime
) -> Iterator[tuple[str, list[HourRecord]]]:
    """Key and records of each of the ledger's objects.

    Raises LandingError if one cannot be read.
    """
    for found in landing.read("ledger/", LEDGER_KEY):
        latest = min(found.landed_at, now) + CLOCK_MAY_DIFFER
        try:
            records = [
                HourRecord.from_line(line) for line in found.content.splitlines()
            ]
        except MALFORMED as error:
            raise LandingError(
                f"{found.key} in the landing is not a valid ledger file: {error}"
            ) from error
        yield (
            found.key,
            [
                replace(record, clock="wrong")
                if record.clock == "machine" and record.exported_at > latest
                else record
                for record in records
            ],
        )


def _read_window_limit(landing: Landing, api_key_id: str, now: datetime) -> int | None:
    learned: list[tuple[datetime, int | None]] = []
    for found in landing.read(f"limits/{api_key_id}/", LIMIT_KEY):
        try:
            limit: dict[str, Any] = json.loads(found.content)
            learned_at = datetime.fromisoformat(limit["learned_at"]).astimezone(UTC)
            hours: int | None = limit["window_limit_hours"]
        except MALFORMED as error:
            raise LandingError(
                f"{found.key} in the landing is not a valid limit file: {error}"
            ) from error
        if now - LIMIT_LASTS < learned_at <= now + CLOCK_MAY_DIFFER:
            learned.append((learned_at, hours))
    return max(learned, key=itemgetter(0), default=(now, None))[1]
