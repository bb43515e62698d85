"""Check what has landed: every file against the ledger and against its hash."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from ingest.landing import Landing
from ingest.landing.ledger import Ledger
from ingest.windows import Window, parse_hour

READERS = 8

KEY = re.compile(
    r"events/\d+/(?P<day>\d{4}-\d\d-\d\d)/(?P<hour>\d\d)/\d+-(?P<hash>[0-9a-f]{16})"
    r"\.json(?:\.gz)?",
    re.ASCII,
)


@dataclass
class Check:
    """What was found. Files are those of each hour's newest export; others are older
    ones, or ones that no run has recorded, and count only where the ledger has none.

    `erased` files are back, perhaps from a backup: they hold events of erased persons.
    `hours` are those of damaged and missing files.
    """

    file_count: int = 0
    other_count: int = 0
    damaged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    other_damaged: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    hours: set[datetime] = field(default_factory=set)

    def lines(self) -> Iterator[str]:
        """The result as lines of text."""
        for kind in ("damaged", "missing", "other_damaged", "strange"):
            for key in getattr(self, kind):
                yield f"{kind.replace('_', ', ')}: {key}"
        for key in self.erased:
            yield f"erased, and back: {key}"
        whole = self.file_count - len(self.damaged) - len(self.missing)
        yield (
            f"checked {self.file_count:,} files: {whole:,} whole,"
            f" {len(self.damaged):,} damaged, {len(self.missing):,} missing"
        )
        if self.other_count:
            whole = self.other_count - len(self.other_damaged)
            yield (
                f"and {self.other_count:,} others, of older or unrecorded exports:"
                f" {whole:,} whole, {len(self.other_damaged):,} damaged"
            )
        if self.erased:
            yield "make erase CONFIRM=1 erases these again"
        if self.hours:
            yield "make ingest ARGS=--repair requests these hours again"


def verify(landing: Landing, ledger: Ledger, window: Window) -> Check:
    """Check every file of the window's hours.

    A store that keeps SHA-256 is asked for it; otherwise the file is read. Raises
    LandingError.
    """
    check = Check()
    recorded = {
        file.key: (record.hour, file.sha256)
        for hour in window.hours()
        if (record := ledger.record_of(hour))
        for file in record.files
    }
    others = []
    for key in landing.keys(f"events/{ledger.project_id or 'unknown'}/"):
        hour = _hour(key)
        if hour is None:
            check.strange.append(key)
        elif key not in recorded and window.first <= hour <= window.last:
            others.append(key)
    check.erased = sorted(ledger.erased_keys & set(others))
    check.file_count, check.other_count = len(recorded), len(others)
    keys = [*recorded, *others]
    with ThreadPoolExecutor(READERS) as pool:
        for key, found in zip(keys, pool.map(landing.sha256_of, keys), strict=True):
            if key not in recorded:
                named = KEY.fullmatch(key)
                if found and named and not found.startswith(named["hash"]):
                    check.other_damaged.append(key)
                continue
            hour, sha256 = recorded[key]
            if found != sha256:
                (check.damaged if found else check.missing).append(key)
                check.hours.add(hour)
    return check


def _hour(key: str) -> datetime | None:
    """The upload hour that a key of the ingest names; None for any other key."""
    if found := KEY.fullmatch(key):
        try:
            return parse_hour(f"{found['day']}T{found['hour']}")
        except ValueError:
            pass
    return None
