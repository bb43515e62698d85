"""Delete erased persons from raw on Snowflake: a part of `make erase`.

Whom is in no statement, for Snowflake keeps the text of statements for a year: rows are
deleted by file, or by their number in the file.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex

from ingest.erasures import KINDS, Erased, Erasure, check_salt, erased_by
from ingest.landing import Landing, LandingError
from ingest.landing.ledger import HourRecord, put_records, read_ledger
from snowflake_setup.loads import Raw, chunks
from snowflake_setup.session import Session, SnowflakeError, quoted
from snowflake_setup.settings import CloudSettings

NOTICE = (
    "Snowflake keeps the deleted rows for the days of Time Travel"
    " (DATA_RETENTION_TIME_IN_DAYS, 1 unless it was changed), and those of raw for 7"
    " days of Fail-safe after that; this cannot be shortened"
)


def erase_from_raw(
    session: Session,
    settings: CloudSettings,
    landing: Landing,
    erasures: list[Erasure],
    timeout_seconds: float,
    pause_seconds: float,
) -> Iterator[str]:
    """Delete erased events from raw; a line for each step.

    All of it can be done again. Raises SnowflakeError, LandingError, SettingsError.
    """
    raw = Raw(session, settings)
    landed = set(landing.keys("events/"))
    rewritten = {file.key for erasure in erasures for file in erasure.files}
    if rewritten & landed:
        raise LandingError(
            f"{len(rewritten & landed):,} files are still to be rewritten:"
            " run make erase again, as before"
        )
    _wait_until_idle(session, raw, timeout_seconds, pause_seconds)
    deleted = 0
    for some in chunks(sorted(rewritten - landed)):
        deleted += _delete(session, raw, f"filename in ({quoted(raw.names(some))})")
    yield f"deleted {deleted:,} rows of rewritten files from {raw.table('events')}"
    # Files that have left the landing, as LANDING_EXPIRE_DAYS has it, are in raw alone.
    names = [
        row["filename"]
        for row in session.rows(f"select distinct filename from {raw.table('events')}")
    ]
    gone = sorted(name for name in names if raw.key(name) not in landed | rewritten)
    if gone:
        salt = check_salt(erasures, settings.given.get("ERASURE_SALT"))
        deleted = _delete_rows(session, raw, landing, gone, erased_by(erasures, salt))
        yield (
            f"deleted {deleted:,} rows of {len(gone):,} files that are in"
            f" {raw.table('events')}, but not in the landing"
        )
    yield NOTICE


def _wait_until_idle(
    session: Session, raw: Raw, timeout_seconds: float, pause_seconds: float
) -> None:
    """A file that waits in the pipe could be loaded after its rows were deleted."""
    end = time.monotonic() + timeout_seconds
    while session.pipe_status(raw.pipe("events")).get("pendingFileCount"):
        if time.monotonic() > end:
            raise SnowflakeError(
                f"{raw.pipe('events')} still has files waiting: run make erase again"
                " when it is idle (make doctor shows it)"
            )
        time.sleep(pause_seconds)


def _delete(session: Session, raw: Raw, condition: str) -> int:
    table = raw.table("events")
    [row] = session.rows(f"select count(*) as n from {table} where {condition}")
    if row["n"]:
        session.rows(f"delete from {table} where {condition}")
    return int(row["n"])


def _delete_rows(
    session: Session, raw: Raw, landing: Landing, names: list[str], erased: Erased
) -> int:
    """Delete the events of erased persons from files that cannot be rewritten.

    The ledger first says how many events are left in each file. Raises SnowflakeError.
    """
    counts: dict[str, int] = defaultdict(int)
    numbers: dict[str, list[int]] = defaultdict(list)
    for some in chunks(names):
        for row in session.rows(
            "select filename, file_row_number, fields:user_id::varchar as user_id,"
            " fields:device_id::varchar as device_id,"
            " fields:amplitude_id::varchar as amplitude_id,"
            " case when fields is null then raw_line end as line from ("
            "select filename, file_row_number, raw_line,"
            " coalesce(try_parse_json(raw_line, 'd'), raw_json) as fields"
            f" from {raw.table('events')} where filename in ({quoted(some)}))"
        ):
            name = row["filename"]
            counts[name] += 1
            project = raw.key(name).split("/")[1]
            ids = [(kind, row[kind]) for kind in KINDS if row[kind]]
            line = (row["line"] or "").encode()
            if erased.matches_ids(project, ids) or erased.matches(project, line):
                numbers[name].append(int(row["file_row_number"]))
    left = {raw.key(name): counts[name] - len(some) for name, some in numbers.items()}
    _record(landing, left)
    for name, rows in numbers.items():
        for some in chunks(rows):
            _delete(
                session,
                raw,
                f"filename in ({quoted([name])})"
                f" and file_row_number in ({', '.join(map(str, some))})",
            )
    return sum(map(len, numbers.values()))


def _record(landing: Landing, counts: dict[str, int]) -> None:
    """Write to the ledger how many events of these files are left."""
    now = datetime.now(UTC)
    hours: dict[tuple[str | None, datetime], list[HourRecord]] = defaultdict(list)
    for _, lines in read_ledger(landing, now):
        for record in lines:
            if record.files and record.clock != "wrong":
                hours[record.project_id, record.hour].append(record)
    for records in hours.values():
        newest = max(records, key=lambda record: record.rank)
        files = [
            replace(file, event_count=counts.get(file.key, file.event_count))
            for file in newest.files
        ]
        if files != newest.files:
            later = newest.exported_at + timedelta(microseconds=1)
            run_id = f"{now:%Y%m%dT%H%M%SZ}-{token_hex(4)}"
            put_records(
                landing,
                [replace(newest, files=files, exported_at=later, run_id=run_id)],
            )
