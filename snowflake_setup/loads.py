"""Compare raw with the expected files, and wait until they are loaded."""

import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice

from snowflake_setup.expected import ExpectedFile
from snowflake_setup.session import Session, SnowflakeError, quoted
from snowflake_setup.settings import CloudSettings

# FILES of COPY INTO takes no more.
MOST_FILES_AT_ONCE = 1000
# A pipe's load history, and so its errors, lasts this long.
HISTORY_LASTS_DAYS = 14
NAMED_AT_MOST = 20
# The pipe that loads each raw table; a table is named as its folder in the landing.
PIPES = {"events": "event_lines_pipe", "ledger": "ledger_pipe"}
TABLES = tuple(PIPES)


@dataclass(frozen=True)
class Load:
    """An entry of the load history of a file."""

    is_loaded: bool
    # By COPY INTO, not by a pipe: COPY takes no file twice that it remembers.
    is_copied: bool
    error: str


@dataclass
class Comparison:
    """Which of the expected files are in raw."""

    loaded: list[ExpectedFile] = field(default_factory=list)
    missing: list[ExpectedFile] = field(default_factory=list)
    partial: dict[ExpectedFile, int] = field(default_factory=dict)
    doubled: dict[ExpectedFile, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return not (self.missing or self.partial or self.doubled)

    def __str__(self) -> str:
        files = [*self.loaded, *self.missing, *self.partial, *self.doubled]
        wanted = sum(file.row_count for file in files)
        found = sum(file.row_count for file in self.loaded)
        found += sum(self.partial.values()) + sum(self.doubled.values())
        return (
            f"{len(self.loaded)} of {len(files)} files are loaded,"
            f" {found:,} of {wanted:,} rows"
        )

    def problems(self, history: Mapping[str, Load]) -> Iterator[str]:
        """A line for each file that is not completely loaded, with its error."""

        def why(file: ExpectedFile) -> str:
            load = history.get(file.key)
            return f": {load.error}" if load and load.error else ""

        for file in self.missing:
            yield f"missing  {file.key} ({file.row_count:,} rows){why(file)}"
        for file, count in self.partial.items():
            rows = f"{count:,} of {file.row_count:,} rows"
            yield f"partial  {file.key} ({rows}){why(file)}"
        for file, count in self.doubled.items():
            yield f"doubled  {file.key} ({count:,} rows for {file.row_count:,})"


class Raw:
    """The raw tables, the stage and the pipes, through one session."""

    def __init__(self, session: Session, settings: CloudSettings) -> None:
        self._session = session
        self._schema = settings.names.raw
        self._database = settings.names.raw_database
        self._prefix = settings.prefix

    def compare(self, files: Sequence[ExpectedFile]) -> Comparison:
        """Count the rows of each file. Raises SnowflakeError."""
        comparison = Comparison()
        for table in TABLES:
            wanted = [file for file in files if file.table == table]
            counts = self._counts(table, [file.key for file in wanted])
            for file in wanted:
                count = counts[file.key]
                if count == file.row_count:
                    comparison.loaded.append(file)
                elif not count:
                    comparison.missing.append(file)
                elif count < file.row_count:
                    comparison.partial[file] = count
                else:
                    comparison.doubled[file] = count
        return comparison

    def _counts(self, table: str, keys: Sequence[str]) -> dict[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for some in chunks(keys):
            names = quoted(self.names(some))
            for row in self._session.rows(
                "select filename, count(*) as row_count"
                f" from {self._schema}.{table}"
                f" where filename in ({names}) group by filename"
            ):
                counts[self.key(row["filename"])] += int(row["row_count"])
        return counts

    def names(self, keys: Sequence[str]) -> list[str]:
        """The names of these files in raw."""
        return [self._prefix + key for key in keys]

    def key(self, name: str) -> str:
        """The place in the landing of a file that raw or the stage names."""
        return name.lstrip("/").removeprefix(self._prefix)

    def history(self) -> dict[str, Load]:
        """The newest entry of the load history of each file, by key."""
        history: dict[str, Load] = {}
        for table in TABLES:
            for row in self._session.rows(
                "select file_name, status, first_error_message, pipe_name from table("
                f"{self._database}.information_schema.copy_history("
                f"table_name => '{self._schema}.{table}', start_time =>"
                f" dateadd(day, -{HISTORY_LASTS_DAYS - 1}, current_timestamp())))"
                " order by last_load_time"
            ):
                # Its path in the bucket, in the stage or below the pipe's folder.
                key = self.key(row["file_name"])
                if not key.startswith(f"{table}/"):
                    key = f"{table}/{key}"
                is_loaded = row["status"].lower() == "loaded"
                before = history.get(key)
                history[key] = Load(
                    is_loaded=is_loaded,
                    is_copied=(is_loaded and not row["pipe_name"])
                    or bool(before and before.is_copied),
                    error=row["first_error_message"] or "",
                )
        return history

    def ages(self, files: Iterable[ExpectedFile]) -> dict[str, timedelta]:
        """How long ago each file landed, by key; without those not in the stage."""
        now = datetime.now(UTC)
        ages = {}
        for folder in sorted({file.key.rpartition("/")[0] for file in files}):
            place = quoted([f"@{self._schema}.landing/{folder}/"])
            for row in self._session.rows(f"list {place}"):
                at = row["name"].find(self._prefix + folder)
                landed = parsedate_to_datetime(row["last_modified"])
                ages[self.key(row["name"][at:])] = now - landed
        return ages

    def table(self, table: str) -> str:
        return f"{self._schema}.{table}"

    def pipe(self, table: str) -> str:
        return f"{self._schema}.{PIPES[table]}"

    def is_pipe_idle(self, table: str) -> bool:
        """Whether no file waits in the pipe."""
        status = self._session.pipe_status(self.pipe(table))
        return status.get("executionState") == "RUNNING" and not status.get(
            "pendingFileCount"
        )

    def refresh(self, file: ExpectedFile) -> None:
        """Queue one file at its pipe, which skips files in its load history."""
        name = quoted([file.key.removeprefix(f"{file.table}/")])
        self._session.rows(
            f"alter pipe {self.pipe(file.table)} refresh prefix = {name}"
        )

    def copy_statements(
        self, table: str, files: Sequence[ExpectedFile], *, force: bool
    ) -> Iterator[str]:
        """The pipe's own COPY INTO, for these files alone.

        That raw holds none of their rows has been seen. So it takes files whose load
        history has ended (64 days), and with `force` those that COPY has loaded once,
        and whose rows were deleted since. Raises SnowflakeError if the pipe has none.
        """
        [pipe] = [
            row
            for row in self._session.rows(f"show pipes in schema {self._schema}")
            if row["name"].lower() == PIPES[table]
        ] or [{"definition": ""}]
        copy = re.search(r"\bcopy\s+into\b.*", pipe["definition"], re.I | re.S)
        without_pattern, patterns = re.subn(
            r"\bpattern\s*=\s*'(?:[^']|'')*'", "", copy[0] if copy else "", flags=re.I
        )
        if not copy or patterns != 1:
            raise SnowflakeError(
                f"{self.pipe(table)} has no COPY INTO with a pattern:"
                " make snowflake-setup"
            )
        for some in chunks(files):
            names = quoted([file.key.removeprefix(f"{table}/") for file in some])
            yield (
                f"{without_pattern.strip().rstrip(';')}\n"
                f"files = ({names})\n"
                f"{'force' if force else 'load_uncertain_files'} = true"
            )

    def copy(self, statement: str) -> None:
        """Run a COPY INTO. Raises SnowflakeError."""
        self._session.rows(statement)


def wait_until_loaded(
    raw: Raw,
    files: Sequence[ExpectedFile],
    timeout_seconds: float,
    pause_seconds: float,
) -> Comparison:
    """Look again and again until raw holds the files, no more can come, or the
    time is up. Progress goes to stderr. Raises SnowflakeError."""
    begun = time.monotonic()
    end = begun + timeout_seconds
    said = ""
    while True:
        comparison = raw.compare(files)
        if str(comparison) != said:
            said = str(comparison)
            print(f"{said} ({time.monotonic() - begun:.0f} s)", file=sys.stderr)
        if comparison.is_complete or comparison.doubled:
            return comparison
        history = raw.history()
        waiting = [
            file
            for file in [*comparison.missing, *comparison.partial]
            if file.key not in history or not history[file.key].error
        ]
        if not waiting:
            return comparison
        if time.monotonic() + pause_seconds > end:
            return comparison
        time.sleep(pause_seconds)


def first(lines: Iterable[str]) -> Iterator[str]:
    """The first lines, and how many more there are."""
    lines = list(lines)
    yield from islice(lines, NAMED_AT_MOST)
    if len(lines) > NAMED_AT_MOST:
        yield f"and {len(lines) - NAMED_AT_MOST} more"


def chunks(values: Sequence) -> Iterator[Sequence]:
    """The files, in groups that one statement may name."""
    for start in range(0, len(values), MOST_FILES_AT_ONCE):
        yield values[start : start + MOST_FILES_AT_ONCE]
