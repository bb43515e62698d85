"""Load landed files that are missing in raw, and nothing twice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from snowflake_setup.expected import ExpectedFile
from snowflake_setup.loads import TABLES, Comparison, Load, Raw

# ALTER PIPE … REFRESH takes files of the last 7 days and no older ones; an hour less,
# so that none grows too old while it waits for its turn.
# https://docs.snowflake.com/en/sql-reference/sql/alter-pipe
REFRESH_REACHES = timedelta(days=7) - timedelta(hours=1)


@dataclass
class Repair:
    """The plan for missing files, and the files that cannot be loaded."""

    refresh: list[ExpectedFile] = field(default_factory=list)
    copy: list[ExpectedFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def plan_repair(raw: Raw, comparison: Comparison) -> Repair:
    """A file of the last days goes to its pipe again, an older one to COPY INTO; so
    does one that the pipe has loaded once, and whose rows were deleted since.

    A file of which raw holds any row is never loaded again, and none is copied while
    its pipe may load it. Raises SnowflakeError.
    """
    repair = Repair()
    if not comparison.missing:
        ages, history = {}, {}
    else:
        ages, history = raw.ages(comparison.missing), raw.history()
    idle: dict[str, bool] = {}
    for file in comparison.missing:
        if file.key not in ages:
            repair.problems.append(
                f"{file.key} is in the ledger, but not where the stage looks: restore"
                " it from the bucket's older versions, or export its hour again"
                " (make ingest ARGS=--force)"
            )
        elif ages[file.key] < REFRESH_REACHES and not (
            file.key in history and history[file.key].is_loaded
        ):
            repair.refresh.append(file)
        else:
            if file.table not in idle:
                idle[file.table] = raw.is_pipe_idle(file.table)
            if idle[file.table]:
                repair.copy.append(file)
            else:
                repair.problems.append(
                    f"{file.key} is too old for {raw.pipe(file.table)}, and COPY must"
                    " wait until the pipe is idle: run make load-missing again then"
                    " (make doctor shows its state)"
                )
    for file, count in comparison.partial.items():
        repair.problems.append(
            f"{file.key} is loaded in part ({count:,} of {file.row_count:,} rows): if"
            " it stays so, delete its rows from raw and run make load-missing again"
        )
    for file, count in comparison.doubled.items():
        repair.problems.append(
            f"{file.key} is loaded more than once ({count:,} rows for"
            f" {file.row_count:,}): delete its rows from raw, then make load-missing"
        )
    return repair


def apply_repair(raw: Raw, repair: Repair) -> Iterator[str]:
    """Execute the plan; a line for each step. Raises SnowflakeError."""
    for file in repair.refresh:
        raw.refresh(file)
        yield f"queued at {raw.pipe(file.table)}: {file.key}"
    yield from _copy(raw, repair.copy, raw.history() if repair.copy else {})


def copy_what_pipes_leave(raw: Raw, repair: Repair, after: Comparison) -> Iterator[str]:
    """Copy what was queued at a pipe that has become idle, and which has not
    loaded it: it remembers the name, though the rows are gone, as after the table was
    dropped. Raises SnowflakeError."""
    history = raw.history()
    left = [
        file
        for file in after.missing
        if file in repair.refresh
        and not (file.key in history and history[file.key].error)
    ]
    idle = {file.table: raw.is_pipe_idle(file.table) for file in left}
    yield from _copy(raw, [file for file in left if idle[file.table]], history)


def _copy(
    raw: Raw, files: Sequence[ExpectedFile], history: Mapping[str, Load]
) -> Iterator[str]:
    for table in TABLES:
        for force in (False, True):
            some = [
                file
                for file in files
                if file.table == table
                and (file.key in history and history[file.key].is_copied) is force
            ]
            # Another run may have loaded some since they were found missing.
            some = raw.compare(some).missing
            if some:
                for statement in raw.copy_statements(table, some, force=force):
                    raw.copy(statement)
                yield from (f"copied into {table}: {file.key}" for file in some)
