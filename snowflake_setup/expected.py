"""The files that raw should contain: those of each hour's newest ledger line."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest.landing import Landing
from ingest.landing.ledger import HourRecord, read_ledger


@dataclass(frozen=True)
class ExpectedFile:
    """An object of the landing, and how many rows of it belong in raw.

    `key` is its place in the landing, `table` the raw table it loads into.
    """

    key: str
    table: str
    row_count: int


def expected_files(
    landing: Landing, newest: timedelta | None = None
) -> list[ExpectedFile]:
    """The ledger's own objects, and of each hour the files of its newest record.

    With `newest` only what was exported in that time before now. An hour that was
    exported again counts by its newer export: the older one may be gone by then.
    Raises LandingError if the ledger cannot be read.
    """
    now = datetime.now(UTC)
    since = now - newest if newest else None
    records: dict[tuple[str, datetime], HourRecord] = {}
    objects: list[ExpectedFile] = []
    for key, lines in read_ledger(landing, now):
        if since is None or any(line.exported_at >= since for line in lines):
            objects.append(ExpectedFile(key, "ledger", len(lines)))
        for line in lines:
            hour = (line.project_id or line.api_key_id, line.hour)
            if hour not in records or records[hour].rank <= line.rank:
                records[hour] = line
    events = {
        file.key: ExpectedFile(file.key, "events", file.event_count)
        for record in records.values()
        if since is None or record.exported_at >= since
        for file in record.files
        if file.event_count
    }
    return sorted([*events.values(), *objects], key=lambda file: (file.table, file.key))
