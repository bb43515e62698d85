"""Take the events of erased persons out of a landing; see the package for the order."""

import io
import logging
import re
import secrets
import zlib
from collections import defaultdict
from collections.abc import Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Lock

from isal.igzip_lib import IsalError

from ingest.erase.people import (
    SHORTEST_TEXT,
    Found,
    Links,
    Looking,
    Scan,
    fold_case,
    id_text,
    is_among,
    linked_ids,
    place_of,
    values_by_id,
)
from ingest.erase.preview import KEYS_SHOWN
from ingest.erasures import (
    Erased,
    ErasedId,
    Erasure,
    RewrittenFile,
    Salt,
    erased_by,
    put_erasure,
    without,
)
from ingest.landing import Landing, LandingError, Version
from ingest.landing.ledger import (
    ErasedFile,
    HourRecord,
    LandedFile,
    put_records,
    read_ledger,
)

log = logging.getLogger("ingest")
# What the models load. A name that ends in the hash of the content can be rewritten.
LOADED = re.compile(r"events/.+\.json(?:\.gz)?", re.ASCII)
HASHED = re.compile(
    r"(?P<stem>events/(?P<project>[^/]+)/.*?-)(?P<hash>[0-9a-f]{16})"
    r"(?P<format>\.json(?:\.gz)?)",
    re.ASCII,
)
READERS = 4
NOT_A_FILE = (OSError, EOFError, zlib.error, IsalError)


class Eraser:
    """Looks for events of erased persons in a landing, and takes them out."""

    def __init__(
        self,
        landing: Landing,
        salt: Salt,
        project_id: str | None,
        erasures: list[Erasure],
        now: datetime,
    ) -> None:
        self.event_count = self.file_count = 0
        self._landing = landing
        self._salt = salt
        self._prefix = f"events/{project_id}/" if project_id else "events/"
        self._now = now
        self._run_id = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self.recorded = erased_by(erasures, salt)
        self._files = {file.key for erasure in erasures for file in erasure.files}
        self._records = self._read_records()
        self._project = project_id
        self._adding = Lock()

    def hashed(self, kind: str, value: str) -> ErasedId:
        """An id that was given."""
        return ErasedId(self._project, kind, self._salt.hash(kind, value))

    def look(
        self, given: set[tuple[str, str]], *, also_linked: bool
    ) -> tuple[Scan, Links]:
        """Find the events of the ids, and of ids that are linked to them.

        Linked ids are searched too, until no new id is found.
        """
        wanted = {self.hashed(*one) for one in given}
        base = wanted | self.recorded.ids
        links = Links()
        texts = tuple(
            {id_text(value) for _, value in given if len(value) >= SHORTEST_TEXT}
        )
        folded = frozenset((kind, fold_case(value)) for kind, value in given)
        while True:
            looking = Looking(
                self._salt,
                self.recorded.given | wanted,
                self.recorded.linked | set(links.linked),
                texts,
                folded,
            )
            scan = self._scan(looking, self._versions())
            candidates, foreign = linked_ids(
                looking, wanted, base, also_linked=also_linked
            )
            lost = {one: links.linked.pop(one) for one in foreign & set(links.linked)}
            links.shared |= lost
            if lost:
                continue
            links.shared |= {
                one: value for one, value in candidates.items() if one in foreign
            }
            new = {
                one: value
                for one, value in candidates.items()
                if one not in links.shared and one not in links.linked
            }
            if not new:
                break
            links.linked |= new
        found = looking.found()
        others = {
            one: value
            for one, value in values_by_id(looking, found).items()
            if not is_among(looking.ids, one)
        }
        links.users = {o: value for o, value in others.items() if o.kind == "user_id"}
        if not also_linked:
            links.beside = {
                one: value for one, value in others.items() if one.kind == "device_id"
            }
        this = Erased(self._salt, frozenset(wanted), frozenset(links.linked))
        for (project, ids), count in found.items():
            if not this.matches_ids(project, list(ids)):
                links.earlier_count += count
            for kind, value in {(k, v.strip()) for k, v in ids & given}:
                links.event_counts[kind, value] += count
        links.mention_count = len(looking.mentions)
        links.similar = {self.hashed(*one): one[1] for one in looking.similar}
        self._looking = looking
        scan.problems.extend(self._not_looked_at())
        return scan, links

    def erase(
        self, scan: Scan, given: set[ErasedId], linked: set[ErasedId]
    ) -> list[str]:
        """Remove the events that were found; returns files that could not be searched.

        Also what has landed since, as runs may do that did not know of the record.
        """
        problems: list[str] = []
        looked_at = scan.looked_at
        while True:
            self._record(given, linked, scan.found)
            self._rewrite(scan.found)
            left = [version for version in self._versions() if version not in looked_at]
            if not left:
                return problems
            scan = self._scan(self._looking, left)
            looked_at |= scan.looked_at
            problems += scan.problems

    def _versions(self) -> list[Version]:
        return [one for one in self._listed() if LOADED.fullmatch(one.key)]

    def _listed(self) -> Iterator[Version]:
        """Also copies: under other names, and in folders such as events_old."""
        for version in self._landing.versions("events"):
            is_of_another = version.key.startswith("events/") and (
                not version.key.startswith(self._prefix)
            )
            if not (is_of_another or version.key.endswith("/")):
                yield version

    def _not_looked_at(self) -> Iterator[str]:
        keys = {one.key for one in self._listed() if not LOADED.fullmatch(one.key)}
        for key in sorted(keys)[:KEYS_SHOWN]:
            yield (
                f"{key} was not searched, because the models do not load it: take the"
                " events out by hand, or delete it"
            )
        if len(keys) > KEYS_SHOWN:
            yield f"{len(keys) - KEYS_SHOWN:,} more files were not searched"

    def _scan(self, looking: Looking, versions: list[Version]) -> Scan:
        scan = Scan(looked_at=set(versions))
        with ThreadPoolExecutor(READERS) as pool:
            for result in pool.map(lambda one: self._look_at(one, looking), versions):
                if isinstance(result, str):
                    scan.problems.append(result)
                elif result:
                    scan.found.append(result)
        return scan

    def _look_at(self, version: Version, looking: Looking) -> Found | str | None:
        of_file = looking.for_a_file()
        result = self._result(version, of_file)
        counts = isinstance(result, Found) and version.is_current
        with self._adding:
            looking.add(of_file, counts=counts)
        return result

    def _result(self, version: Version, looking: Looking) -> Found | str | None:
        content = self._landing.content(version)
        if content is None:
            return None
        key = version.key
        named = HASHED.fullmatch(key)
        is_damaged = named and not sha256(content).hexdigest().startswith(named["hash"])
        try:
            rest = without(
                io.BytesIO(content), looking, place_of(key)[0], is_gzip=_is_gzip(key)
            )
        except NOT_A_FILE:  # type: ignore[misc]
            is_damaged, rest = True, None
        if is_damaged and version.is_current:
            if not named:
                return (
                    f"{key} is damaged, was not searched, and its name is not one that"
                    " the ingest gives: repair it by hand, or delete it"
                )
            if not self._may_count(key):
                erased_count = rest.erased_count if rest else 0
                return Found(version, None, "", 0, 0, erased_count)
            return (
                f"{key} is damaged and was not searched: make ingest ARGS=--repair,"
                " or delete it, then run this again"
            )
        if rest is None:
            return (
                f"an older version of {key} is damaged and was not searched: S3"
                " deletes it after LANDING_OLD_VERSIONS_DAYS; or delete it by hand"
            )
        if rest.content is None:
            return None
        rest.content.close()
        if not named:
            return (
                f"{key} holds events to erase, but its name is not one that the ingest"
                " gives: take them out by hand, or delete it"
            )
        return Found(
            version,
            f"{named['stem']}{rest.sha256[:16]}{named['format']}",
            rest.sha256,
            rest.byte_count,
            rest.event_count,
            rest.erased_count,
        )

    def _may_count(self, key: str) -> bool:
        """Whether a file counts if it is whole; not if its hour was exported again."""
        newest = _newest(self._records.get(place_of(key), []))
        return not newest or any(
            file.key == key for record in newest for file in record.files
        )

    def _read_records(self) -> dict[tuple[str, datetime | None], list[HourRecord]]:
        """The ledger's records of each project's hours that say when they were made."""
        records: dict[tuple[str, datetime | None], list[HourRecord]] = defaultdict(list)
        for _, lines in read_ledger(self._landing, self._now):
            for record in lines:
                if record.project_id and record.clock != "wrong":
                    records[record.project_id, record.hour].append(record)
        return records

    def _record(
        self, given: set[ErasedId], linked: set[ErasedId], found: list[Found]
    ) -> None:
        """Write the record, unless a killed run has written it."""
        files = [
            RewrittenFile(one.version.key, one.new_key, one.erased_count)
            for one in found
            if one.version.is_current and one.version.key not in self._files
        ]
        erasure = Erasure(
            datetime.now(UTC),
            self._salt.id,
            _sorted(given - self.recorded.given),
            _sorted(linked - self.recorded.ids),
            files,
        )
        if not (erasure.ids or erasure.linked_ids or files):
            return
        put_erasure(self._landing, erasure)
        self.recorded = Erased(
            self._salt, self.recorded.given | given, self.recorded.linked | linked
        )
        self._files |= {file.key for file in files}

    def _rewrite(self, found: list[Found]) -> None:
        """Put the new files in place of the old ones, hour by hour."""
        hours: dict[tuple[str, datetime | None], list[Found]] = defaultdict(list)
        for one in found:
            if one.version.is_current:
                hours[one.place].append(one)
        records = self._read_records()
        for place, ones in sorted(
            hours.items(), key=lambda hour: (hour[0][0], str(hour[0][1]))
        ):
            # Without those that another run has rewritten meanwhile.
            ones = [
                one for one in ones if not one.new_key or self._put(one, one.new_key)
            ]
            if record := _new_record(records.get(place, []), ones, self._run_id):
                put_records(self._landing, [record])
            for one in ones:
                self._landing.delete_all(one.version.key)
                self.event_count += one.erased_count
                self.file_count += 1
        # Older versions of files that hold nothing to erase now.
        for one in found:
            if not one.version.is_current:
                self._landing.delete(one.version)

    def _put(self, one: Found, key: str) -> bool:
        """Land the rest of a file; False if the file no longer exists."""
        content = self._landing.content(one.version)
        if content is None:
            return False
        rest = without(
            io.BytesIO(content),
            self._looking,
            one.place[0],
            is_gzip=_is_gzip(one.version.key),
        )
        if rest.content is None or rest.sha256 != one.sha256:
            raise LandingError(
                f"{one.version.key} in the landing was changed by something else"
            )
        with rest.content as kept:
            # Another content under this name is damaged: this is the right one.
            self._landing.put(key, kept, one.sha256, replace=True)
        return True


def _sorted(ids: Set[ErasedId]) -> list[ErasedId]:
    return sorted(ids, key=lambda one: (one.project_id or "", one.kind, one.hash))


def _is_gzip(key: str) -> bool:
    return key.endswith(".gz")


def _new_record(
    records: list[HourRecord], found: list[Found], run_id: str
) -> HourRecord | None:
    """The ledger line of an hour with the new files; None if it needs none."""
    newest = _newest(records)
    members = {file.key: file.member for record in records for file in record.files}
    found = [one for one in found if one.version.key in members]
    if not found:
        return None
    files = {file.key: file for record in newest for file in record.files}
    new = {
        one.version.key: LandedFile(
            one.new_key,
            members[one.version.key],
            one.event_count,
            one.byte_count,
            one.sha256,
        )
        for one in found
        if one.new_key
    }
    gone = {one.version.key for one in found}
    said = {file.key for record in records for file in record.erased_files}
    # A run that was killed has written it, and only not deleted the old files.
    if gone <= said and not gone & files.keys():
        return None
    rewritten = [new.get(file.key, file) for file in files.values()]
    return replace(
        newest[0],
        files=list({file.key: file for file in rewritten}.values()),
        exported_at=newest[0].exported_at + timedelta(microseconds=1),
        run_id=run_id,
        erased_files=[ErasedFile(key) for key in sorted(gone)],
    )


def _newest(records: list[HourRecord]) -> list[HourRecord]:
    """The newest records with files; several if they are equally new."""
    with_files = [record for record in records if record.files]
    rank = max((record.rank for record in with_files), default=None)
    return [record for record in with_files if record.rank == rank]
