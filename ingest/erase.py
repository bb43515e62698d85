"""Erase persons from the landing: `make erase`, or `python -m ingest.erase --help`.

What holds at each moment, so that a run that is killed is ended by the next one:

1. The record goes first. It says whom, so that the ingest leaves their events out from
   then on, and so that the next run finds by it what this one has not reached.
2. Hour by hour, the new files land; until the ledger names them they count for nothing.
3. Then the ledger names them in place of the old ones, a microsecond after the export
   that they come from: a later export stays newer.
4. Only then the old files go, with all their versions, the newest last: as long as any
   is there, the next run sees the file and goes on from 2.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import re
import secrets
import subprocess
import sys
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from urllib.parse import unquote

from dotenv import load_dotenv
from isal.igzip_lib import IsalError

from ingest import logs
from ingest.erasures import (
    KINDS,
    Erased,
    ErasedId,
    Erasure,
    RewrittenFile,
    Salt,
    check_salt,
    erased_by,
    ids_of_line,
    put_erasure,
    read_erasures,
    without,
)
from ingest.landing import Landing, LandingError, Version, open_landing
from ingest.ledger import ErasedFile, HourRecord, LandedFile, put_records, read_ledger
from ingest.settings import Settings, SettingsError
from ingest.windows import Window, parse_hour

log = logging.getLogger("ingest")

DONE, LEFT, SETTINGS, _, _, NO_LANDING = range(6)
UNEXPECTED, INTERRUPTED = 70, 130

EXIT_CODES = """\
exit codes:
  0    done, or nothing to do
  1    an id has no event, or some files could not be looked at or rewritten: which,
       and what to do, is said
  2    a setting or an argument is missing or malformed
  5    the landing cannot be read or written
  70   a fault of this program; the log file has the details
  130  interrupted; it is safe to start again
else   the exit code of COMMAND
"""

VARIABLES = dict(zip(("USER_IDS", "DEVICE_IDS", "AMPLITUDE_IDS"), KINDS, strict=True))

# What the models load. A name that ends in the hash of the content can be rewritten.
LOADED = re.compile(r"events/.+\.json(?:\.gz)?", re.ASCII)
HASHED = re.compile(
    r"(?P<stem>events/(?P<project>[^/]+)/.*?-)(?P<hash>[0-9a-f]{16})"
    r"(?P<format>\.json(?:\.gz)?)",
    re.ASCII,
)
OF_HOUR = re.compile(
    r"events/(?P<project>\d+)/(?P<day>\d{4}-\d\d-\d\d)/(?P<hour>\d\d)/[^/]+", re.ASCII
)
READERS = 4
HOURS_SHOWN = 48
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
IDS_SHOWN = 100
KEYS_SHOWN = 20
# A shorter id is in the text of many events by chance.
SHORTEST_TEXT = 6

NOT_A_FILE = (OSError, EOFError, zlib.error, IsalError)


# The project of an event, and its ids, each with its kind.
Row = tuple[str | None, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Found:
    """A version of a file that holds events to erase, and what takes its place.

    Nothing does (`new_key` is None) if it is damaged, or may be, and does not count.
    """

    version: Version
    new_key: str | None
    sha256: str
    byte_count: int
    event_count: int
    erased_count: int

    @property
    def place(self) -> tuple[str, datetime | None]:
        """The project and the upload hour of the file."""
        return place_of(self.version.key)


@dataclass(frozen=True)
class Looking(Erased):
    """Whom to look for; counts the events of each set of ids that has one of these.

    `mentions` identifies other events that have one of the `texts` in them, `similar`
    are their ids that differ from a given one only in case, spaces or how accents are
    written (`folded`).
    """

    texts: tuple[str, ...] = ()
    folded: frozenset[tuple[str, str]] = frozenset()
    mentions: set[int] = field(default_factory=set)
    similar: set[tuple[str, str]] = field(default_factory=set)
    seen: Counter[Row] = field(default_factory=Counter)

    def matches(self, project_id: str | None, line: bytes) -> bool:
        ids = list(ids_of_line(line))
        # Of a linked id also the events that stay: they say who else has it.
        if any(self.has(project_id, kind, value) for kind, value in ids):
            self.seen[project_id, frozenset(ids)] += 1
        is_found = self.matches_ids(project_id, ids)
        if not is_found and self.texts:
            plain = _plain(line)
            if any(text in plain for text in self.texts):
                self.mentions.add(hash(line))
        if not is_found:
            self.similar.update(
                (kind, value)
                for kind, value in ids
                if (kind, _fold(value)) in self.folded
            )
        return is_found

    def for_a_file(self) -> "Looking":
        """The same, for one thread."""
        return replace(self, mentions=set(), similar=set(), seen=Counter())

    def add(self, other: "Looking", *, counts: bool) -> None:
        """Take in what was seen in a file."""
        self.mentions.update(other.mentions)
        self.similar.update(other.similar)
        self.seen.update(other.seen if counts else dict.fromkeys(other.seen, 0))

    def found(self) -> dict[Row, int]:
        """Of what was seen, what is to be erased."""
        return {
            (project, ids): count
            for (project, ids), count in self.seen.items()
            if self.matches_ids(project, list(ids))
        }


@dataclass
class Scan:
    """What was found in the landing."""

    found: list[Found] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    looked_at: set[Version] = field(default_factory=set)


@dataclass
class Links:
    """Ids that were seen beside those that were given, with their values to show.

    `linked` are erased too, `shared` are not: they are of events of others as well.
    `beside` are devices that are only shown, `users` are others whose events go.
    `event_counts` are of the ids that were given, `earlier_count` events are of persons
    erased before. `similar` ids are not erased. `mention_count` other events hold an id
    that was given elsewhere, such as in a page's address.
    """

    event_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    earlier_count: int = 0
    mention_count: int = 0
    users: dict[ErasedId, str] = field(default_factory=dict)
    similar: dict[ErasedId, str] = field(default_factory=dict)
    linked: dict[ErasedId, str] = field(default_factory=dict)
    shared: dict[ErasedId, str] = field(default_factory=dict)
    beside: dict[ErasedId, str] = field(default_factory=dict)


def _text(value: str) -> str:
    """An id as it may be in the text of an event (see `_plain`)."""
    return json.dumps(value, ensure_ascii=False)[1:-1].casefold()


def _plain(line: bytes) -> str:
    """The text of a line without escapes, as it is and as an address is read."""
    text = line.decode(errors="replace").replace("\\/", "/")
    text = ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return (text + unquote(text) if "%" in text else text).casefold()


@lru_cache(1 << 16)
def _fold(value: str) -> str:
    return unicodedata.normalize("NFC", value.strip().casefold())


def place_of(key: str) -> tuple[str, datetime | None]:
    """The project and the upload hour that a key names; the hour may be None."""
    if found := OF_HOUR.fullmatch(key):
        with contextlib.suppress(ValueError):
            return found["project"], parse_hour(f"{found['day']}T{found['hour']}")
    return key.split("/")[1], None


def main() -> int:
    started = datetime.now(UTC)
    os.umask(0o077)
    arguments = _parser().parse_args()
    load_dotenv(".env")
    try:
        settings = Settings.read(os.environ, with_amplitude=False)
        given = read_ids(os.environ)
        # Nothing that is said has an id in it; if anything ever had, it is left out.
        # A plain word or number is in our own words by chance.
        hidden = [value for _, value in given if not value.isalnum() and len(value) > 5]
        log_file = logs.start(started, settings.secrets + hidden, settings.log_days)
    except SettingsError as error:
        print(f"erase: {error}", file=sys.stderr)
        return SETTINGS
    except OSError as error:
        print(f"erase: the log file cannot be written: {error}", file=sys.stderr)
        return SETTINGS
    try:
        return _erase(settings, arguments, given, started)
    except SettingsError as error:
        code, problem = SETTINGS, str(error)
    except LandingError as error:
        code, problem = NO_LANDING, str(error)
    except KeyboardInterrupt:
        code, problem = INTERRUPTED, "interrupted; it is safe to start again"
    except Exception as error:
        # Neither the message nor the trace: they may hold what was read.
        code, problem = UNEXPECTED, f"unexpected {type(error).__name__}"
        trace = error.__traceback__
        while trace:
            log.debug("at %s:%d", trace.tb_frame.f_code.co_filename, trace.tb_lineno)
            trace = trace.tb_next
    log.error("erase: %s", problem)
    log.info("log file: %s", log_file)
    return code


def read_ids(environment: Mapping[str, str]) -> set[tuple[str, str]]:
    """The ids that were given, each with its kind; none: who was erased before.

    Raises SettingsError, whose message holds no id.
    """
    ids = set()
    for variable, kind in VARIABLES.items():
        text = environment.get(variable, "").strip()
        if text.startswith("@"):
            try:
                lines = Path(text[1:]).read_text("utf-8-sig").splitlines()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "it is not UTF-8"
                raise SettingsError(
                    f"the file that {variable} names cannot be read: {reason}"
                ) from None
        else:
            lines = text.split(",")
        values = {form for line in lines for form in (line, line.strip()) if form}
        values -= {value for value in values if not value.strip()}
        if kind == "amplitude_id" and not all(v.strip().isdecimal() for v in values):
            raise SettingsError(f"{variable} holds something that is not a number")
        ids |= {(kind, value) for value in values}
    return ids


def _erase(
    settings: Settings,
    arguments: argparse.Namespace,
    given: set[tuple[str, str]],
    now: datetime,
) -> int:
    if not settings.erasure_salt:
        raise SettingsError(
            "ERASURE_SALT is not set: openssl rand -hex 32 makes one; keep it in .env"
            " and where the ingest runs (docs/erase-a-person.md)"
        )
    if not (settings.landing.startswith("s3://") or Path(settings.landing).is_dir()):
        raise SettingsError(f"LANDING is not a folder: {settings.landing}")
    landing = open_landing(settings)
    erasures = read_erasures(landing)
    if not (given or erasures):
        raise SettingsError(
            "say whom to erase: make erase USER_IDS=…, DEVICE_IDS=… or AMPLITUDE_IDS=…,"
            " separated by commas, or @file with one id a line"
        )
    salt = (
        check_salt(erasures, settings.erasure_salt)
        if erasures
        else Salt(settings.erasure_salt)
    )
    eraser = Eraser(landing, salt, arguments.project, erasures, now)
    scan, links = eraser.look(given, also_linked=arguments.also_linked)
    known = {one for one in given if _is_in(eraser.recorded.ids, eraser.hashed(*one))}
    missing = {
        (kind, value.strip()) for kind, value in given - known
    } - links.event_counts.keys()
    missing -= {(kind, value.strip()) for kind, value in known}
    for line in (
        *describe(scan.found),
        *describe_given(links, missing, arguments),
        *describe_links(links, arguments),
    ):
        print(line)
    for problem in scan.problems:
        log.warning("%s", problem)
    left = LEFT if scan.problems else DONE
    if missing and not arguments.anyway:
        left = LEFT
        log.warning(
            "%d ids that were given have no event in the landing, and are not recorded:"
            " check them; ANYWAY=1 records them",
            len(missing),
        )
    if not any(one.erased_count for one in scan.found):
        # Erased before: what follows may have been left to do.
        if known:
            print("the landing holds none of their events: they were erased before")
        elif given:
            print("nothing found: no event in the landing has any of these ids")
        else:
            print("nothing found: the landing holds no event of anyone erased before")
        if not known and not (given and arguments.anyway):
            return left
    if not _is_confirmed(arguments):
        print("nothing was changed: CONFIRM=1 does it")
        return left
    wanted = {
        eraser.hashed(kind, value)
        for kind, value in given
        if arguments.anyway or (kind, value.strip()) not in missing
    }
    with landing.locked():
        for problem in eraser.erase(scan, wanted, set(links.linked)):
            log.warning("%s", problem)
            left = LEFT
    log.info(
        "erased %d events from %d files of the landing",
        eraser.event_count,
        eraser.file_count,
    )
    return (arguments.command and _run(arguments.command)) or left


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

        Whatever was linked is looked for in its turn, until nothing is new.
        """
        wanted = {self.hashed(*one) for one in given}
        base = wanted | self.recorded.ids
        links = Links()
        texts = tuple(
            {_text(value) for _, value in given if len(value) >= SHORTEST_TEXT}
        )
        folded = frozenset((kind, _fold(value)) for kind, value in given)
        while True:
            looking = Looking(
                self._salt,
                self.recorded.given | wanted,
                self.recorded.linked | set(links.linked),
                texts,
                folded,
            )
            scan = self._scan(looking, self._versions())
            candidates, foreign = _links(looking, wanted, base, also_linked=also_linked)
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
            for one, value in _values(looking, found).items()
            if not _is_in(looking.ids, one)
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
        """Take out what was found; returns what else could not be looked at.

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
                f"{key} was not looked at, for the models do not load it: take the"
                " events out by hand, or delete it"
            )
        if len(keys) > KEYS_SHOWN:
            yield f"{len(keys) - KEYS_SHOWN:,} more files were not looked at"

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
                    f"{key} is damaged, was not looked at, and its name is not one that"
                    " the ingest gives: repair it by hand, or delete it"
                )
            if not self._may_count(key):
                erased_count = rest.erased_count if rest else 0
                return Found(version, None, "", 0, 0, erased_count)
            return (
                f"{key} is damaged and was not looked at: make ingest ARGS=--repair,"
                " or delete it, then run this again"
            )
        if rest is None:
            return (
                f"an older version of {key} is damaged and was not looked at: S3"
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
        """Write down whom and what, unless that was done by a run that was killed."""
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
        """Land what is left of a file; False if the file is gone."""
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
    """The ledger's word on an hour, with the new files; None if it needs none."""
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
    """The newest that has files; several if they are equally new."""
    with_files = [record for record in records if record.files]
    rank = max((record.rank for record in with_files), default=None)
    return [record for record in with_files if record.rank == rank]


def _links(
    looking: Looking,
    wanted: set[ErasedId],
    base: Set[ErasedId],
    *,
    also_linked: bool,
) -> tuple[dict[ErasedId, str], set[ErasedId]]:
    """Ids that are of the same person by the events that were found, and ids that are
    on events of other people.

    As Amplitude deletes a user by its amplitude ids, those of a user id are linked. If
    asked for, so are devices, what is on them without a user id, and the user ids of
    amplitude ids that were given.
    """
    values = _values(looking, looking.seen)
    users: set[ErasedId] = set()
    if also_linked:
        for project, ids in looking.seen:
            of_row = _by_kind(looking, project, ids)
            if any(_is_in(wanted, one) for one in of_row["amplitude_id"]):
                users |= of_row["user_id"]
    candidates, foreign = set(users), set()
    for project, ids in looking.seen:
        of_row = _by_kind(looking, project, ids)
        own = {
            one for one in of_row["user_id"] if one in users or _is_in(looking.ids, one)
        }
        others = of_row["amplitude_id"] | of_row["device_id"]
        if of_row["user_id"] - own:
            foreign |= others
        elif also_linked:
            candidates |= others
        elif own:
            candidates |= of_row["amplitude_id"]
    return (
        {one: values[one] for one in candidates if not _is_in(base, one)},
        {one for one in foreign if not _is_in(base, one)},
    )


def _by_kind(
    looking: Looking, project: str | None, ids: Iterable[tuple[str, str]]
) -> dict[str, set[ErasedId]]:
    found: dict[str, set[ErasedId]] = {kind: set() for kind in KINDS}
    for kind, value in ids:
        found[kind].add(ErasedId(project, kind, looking.salt.hash(kind, value)))
    return found


def _values(looking: Looking, rows: Iterable[Row]) -> dict[ErasedId, str]:
    """The id behind each hash."""
    return {
        ErasedId(project, kind, looking.salt.hash(kind, value)): value
        for project, ids in rows
        for kind, value in ids
    }


def _is_in(ids: Set[ErasedId], one: ErasedId) -> bool:
    """Whether the id is among them, in its project or in all."""
    return one in ids or replace(one, project_id=None) in ids


def describe(found: list[Found]) -> Iterator[str]:
    """What would be taken out, by project and upload hour."""
    hours: dict[str, dict[datetime | None, Counter[str]]] = defaultdict(
        lambda: defaultdict(Counter)
    )
    for one in found:
        project, hour = one.place
        if one.version.is_current:
            hours[project][hour].update(events=one.erased_count, files=1)
        else:
            hours[project][hour].update(versions=1)
    for project, by_hour in sorted(hours.items()):
        total = sum(by_hour.values(), Counter())
        yield (
            f"project {project}: {total['events']:,} events to erase,"
            f" from {total['files']:,} files of {len(by_hour):,} upload hours"
        )
        if total["versions"]:
            yield f"  and {total['versions']:,} older versions of files to delete"
        for hour, counts in sorted(by_hour.items(), key=lambda item: str(item[0]))[
            :HOURS_SHOWN
        ]:
            name = str(Window(hour, hour)) if hour else "another place"
            yield f"  {name}  {counts['events']:,} events, {counts['files']:,} files"
        if len(by_hour) > HOURS_SHOWN:
            yield f"  and {len(by_hour) - HOURS_SHOWN:,} hours more"
    for key in sorted(one.version.key for one in found if not one.new_key):
        yield f"{key} is damaged, its hour was exported again: it is deleted"


def describe_given(
    links: Links, missing: Set[tuple[str, str]], arguments: argparse.Namespace
) -> Iterator[str]:
    """How many events each id that was given has; missing ones first."""
    if links.earlier_count:
        yield f"{links.earlier_count:,} of these events are of persons erased before"
    if missing:
        yield f"ids that were given and have no event: {len(missing):,}"
    if not arguments.confirm:
        counts = [(*one, 0) for one in sorted(missing)]
        counts += [(*one, n) for one, n in sorted(links.event_counts.items())]
        for kind, value, count in counts[:IDS_SHOWN]:
            yield f"  {kind} {value}: {count:,} events"
        if len(counts) > IDS_SHOWN:
            yield f"  and {len(counts) - IDS_SHOWN:,} ids more"


def describe_links(links: Links, arguments: argparse.Namespace) -> Iterator[str]:
    """Ids that were found beside those that were given. They are shown, not logged."""
    if links.mention_count:
        yield (
            f"{links.mention_count:,} events of others hold an id that was given in"
            " another field or as a part of one, and stay"
        )
    for title, ids in (
        ("erased with them, for they are of the same person", links.linked),
        ("not given, whose events go too for another id of theirs", links.users),
        ("not erased, for others have events with them too", links.shared),
        ("not erased, but similar to an id that was given", links.similar),
        ("seen with them; ALSO_LINKED=1 erases by them too", links.beside),
    ):
        for kind in KINDS:
            values = sorted({v for one, v in ids.items() if one.kind == kind})
            if values:
                yield f"{kind}, {title}: {len(values):,}"
                if not arguments.confirm:
                    yield f"  {', '.join(values)}"


def _is_confirmed(arguments: argparse.Namespace) -> bool:
    if arguments.confirm:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return input("type yes to erase them for good: ").strip() == "yes"


def _run(command: list[str]) -> int:
    """Run the command that follows. It needs no ids, so it gets none."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # make hands variables on that were given on its command line.
        if name not in (*VARIABLES, "MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    }
    return subprocess.run(command, env=environment).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ingest.erase",
        description="Erase persons from the landing. Whom is said by USER_IDS,"
        " DEVICE_IDS and AMPLITUDE_IDS in the environment: ids with commas between"
        " them, or @file with one id a line; without an id, persons erased before.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--confirm",
        action="store_true",
        help="erase; without it what would be erased is only shown",
    )
    parser.add_argument(
        "--project", type=_project, help="in this project only (default: in all)"
    )
    parser.add_argument(
        "--also-linked",
        action="store_true",
        help="also what other ids seen with them have sent: devices that no other user"
        " was on, and the user ids of amplitude ids",
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="record also ids that no event in the landing has, so that what arrives"
        " later is left out, and look in the warehouse",
    )
    parser.add_argument(
        "command", nargs="*", metavar="COMMAND", help="run this after it"
    )
    return parser


def _project(text: str) -> str:
    if not re.fullmatch(r"\d{1,20}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a project")
    return text


if __name__ == "__main__":
    exit_code = main()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.exit(exit_code)
