"""Records of erased persons, without their ids, and the filter of their events.

An object `erasures/<time>-<random>.json` holds, for each id that was given (`ids`) or
found with these (`linked_ids`), its kind, its project (null: all) and an HMAC-SHA256 of
it under ERASURE_SALT. An email address
can be guessed, and so a plain hash of it, too; without the salt, which is in no
landing, nothing can be tried. Beside them it names the files that were rewritten, and
counts.
"""

import gzip
import hmac
import io
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Set
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from isal.igzip import IGzipFile

from ingest.landing import Landing, LandingError
from ingest.landing.ledger import MALFORMED
from ingest.settings import SettingsError

KINDS = ("user_id", "device_id", "amplitude_id")

PROJECT = re.compile(r"\d{1,20}", re.ASCII)
HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
RECORD_KEY = re.compile(r"erasures/[\w.-]+\.json", re.ASCII)

# What a line that is not JSON says of these fields.
FIELD = re.compile(
    rb'"(' + "|".join(KINDS).encode() + rb')"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,}"]+))'
)

# Kept in memory up to this size, then on disk.
LARGEST_IN_MEMORY = 8 << 20
PIECE = 1 << 20
MOST_REMEMBERED = 1 << 18


@dataclass(frozen=True)
class ErasedId:
    """An id that was erased, as its hash. `project_id` None: in every project."""

    project_id: str | None
    kind: str
    hash: str


@dataclass(frozen=True)
class RewrittenFile:
    """A file that was rewritten, its new key, and the number of events removed.

    `new_key` is None if a damaged file was deleted whose hour had been exported again.
    """

    key: str
    new_key: str | None
    event_count: int


@dataclass(frozen=True)
class Erasure:
    """The record of an erasure."""

    erased_at: datetime
    salt_id: str
    ids: list[ErasedId]
    linked_ids: list[ErasedId] = field(default_factory=list)
    files: list[RewrittenFile] = field(default_factory=list)

    def to_json(self) -> bytes:
        counts = {
            "event_count": sum(file.event_count for file in self.files),
            "file_count": len(self.files),
        }
        values = asdict(self) | counts
        return json.dumps(values, default=datetime.isoformat).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Erasure":
        """Raises one of MALFORMED if the content is not a record."""
        given = json.loads(content)
        return cls(
            datetime.fromisoformat(given["erased_at"]).astimezone(UTC),
            str(given["salt_id"]),
            _checked_ids(given["ids"]),
            _checked_ids(given["linked_ids"]),
            [RewrittenFile(**one) for one in given["files"]],
        )


def _checked_ids(given: Any) -> list[ErasedId]:
    """Ids of a record. A malformed id would match no event, which would land."""
    if not isinstance(given, list):
        raise TypeError("the ids are not a list")
    ids = [ErasedId(**one) for one in given]
    for one in ids:
        if not (
            (one.project_id is None or PROJECT.fullmatch(one.project_id))
            and one.kind in KINDS
            and HASH.fullmatch(one.hash)
        ):
            raise ValueError("an id has no valid project, kind or hash")
    return ids


class Salt:
    """Hashes ids under the secret salt."""

    def __init__(self, salt: str) -> None:
        self._salt = salt.encode()
        # The same ids come again and again.
        self.hash = lru_cache(MOST_REMEMBERED)(self._hash)

    @property
    def id(self) -> str:
        """Tells whether two salts are the same."""
        return self._hash("", "salt")[:16]

    def _hash(self, kind: str, value: str) -> str:
        text = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._salt, text, "sha256").hex()


@dataclass(frozen=True)
class Erased:
    """Ids whose events are to be left out.

    A given id matches all its events. A linked device or amplitude id matches only
    events without a user id: those of another user are theirs, who came to it later.
    """

    salt: Salt
    given: frozenset[ErasedId]
    linked: frozenset[ErasedId] = frozenset()

    @cached_property
    def ids(self) -> frozenset[ErasedId]:
        """All of them."""
        return self.given | self.linked

    def matches(self, project_id: str | None, line: bytes) -> bool:
        """Whether a line is an event to be left out."""
        return self.matches_ids(project_id, list(ids_of_line(line)))

    def matches_ids(self, project_id: str | None, ids: list[tuple[str, str]]) -> bool:
        """Whether an event with these ids, each with its kind, is to be left out."""
        has_user = any(kind == "user_id" for kind, _ in ids)
        return any(
            self.has(
                project_id,
                kind,
                value,
                among=self.given if has_user and kind != "user_id" else self.ids,
            )
            for kind, value in ids
        )

    def has(
        self,
        project_id: str | None,
        kind: str,
        value: str,
        *,
        among: Set[ErasedId] | None = None,
    ) -> bool:
        """Whether an id is one of them."""
        found = self.salt.hash(kind, value)
        ids = self.ids if among is None else among
        return any(
            ErasedId(project, kind, found) in ids for project in (None, project_id)
        )

    def of_all_projects(self) -> "Erased":
        """The same ids, in whatever project: for rows that do not name theirs."""
        given, linked = (
            frozenset(replace(one, project_id=None) for one in ids)
            for ids in (self.given, self.linked)
        )
        return Erased(self.salt, given, linked)


@dataclass(frozen=True)
class Noting(Erased):
    """Notes the amplitude ids of erased users too: their anonymous events have these.

    Those of erased users (`own`) and of other users (`others`).
    """

    own: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)

    def matches_ids(self, project_id: str | None, ids: list[tuple[str, str]]) -> bool:
        users = [value for kind, value in ids if kind == "user_id"]
        if users:
            is_own = any(self.has(project_id, "user_id", user) for user in users)
            noted = self.own if is_own else self.others
            noted.update(value for kind, value in ids if kind == "amplitude_id")
        return super().matches_ids(project_id, ids)

    def new_links(self, project_id: str) -> set[ErasedId]:
        """Amplitude ids that have to be erased as well, and are not yet."""
        return {
            ErasedId(project_id, "amplitude_id", self.salt.hash("amplitude_id", value))
            for value in self.own - self.others
            if not self.has(project_id, "amplitude_id", value)
        }


def read_erasures(landing: Landing) -> list[Erasure]:
    """All records in the landing. Raises LandingError if one cannot be read."""
    erasures = []
    for found in landing.read("erasures/", RECORD_KEY):
        try:
            erasures.append(Erasure.from_json(found.content))
        except MALFORMED as error:
            raise LandingError(
                f"{found.key} in the landing is not a valid record of an erasure:"
                f" {type(error).__name__}"
            ) from error
    return erasures


def check_salt(erasures: Iterable[Erasure], salt: str | None) -> Salt:
    """The salt, if it is the one of the records. Raises SettingsError."""
    if not salt:
        raise SettingsError(
            "ERASURE_SALT is not set: the landing has records of erasures, which are"
            " only of use with the salt they were made with (docs/erase-a-person.md)"
        )
    checked = Salt(salt)
    if any(erasure.salt_id != checked.id for erasure in erasures):
        raise SettingsError(
            "ERASURE_SALT is not the one that the landing's records of erasures were"
            " made with: set it to that (docs/erase-a-person.md)"
        )
    return checked


def read_erased(landing: Landing, salt: str | None) -> Erased | None:
    """The people whose events the ingest leaves out; None if no one was ever erased.

    Raises LandingError, or SettingsError if the salt is missing or another.
    """
    erasures = read_erasures(landing)
    if not erasures:
        return None
    return erased_by(erasures, check_salt(erasures, salt))


def erased_by(erasures: Iterable[Erasure], salt: Salt) -> Erased:
    """Whom these records say."""
    return Erased(
        salt,
        frozenset(one for erasure in erasures for one in erasure.ids),
        frozenset(one for erasure in erasures for one in erasure.linked_ids),
    )


def ids_of_line(line: bytes) -> Iterator[tuple[str, str]]:
    """The ids of an event, each with its kind, as the models read them.

    Of a repeated key each value counts; so does what a line that is not JSON says.
    """
    try:
        # Pairs, because a dict would keep one of several. Numbers stay as written.
        pairs = json.loads(line, object_pairs_hook=list, parse_int=str, parse_float=str)
        found = [
            (kind, value)
            for kind, value in pairs
            if kind in KINDS and isinstance(value, str)
        ]
    except (ValueError, TypeError, RecursionError):
        found = [
            (name.decode(), _unescaped(text) if text else other.decode(errors="ignore"))
            for name, text, other in FIELD.findall(line)
        ]
    return ((kind, value) for kind, value in found if value)


def _unescaped(text: bytes) -> str:
    try:
        unescaped: str = json.loads(b'"' + text + b'"')
        return unescaped
    except ValueError:
        return text.decode(errors="ignore")


@dataclass(frozen=True)
class Remainder:
    """What is left of a file: `content` is None if no event was left out of it."""

    content: IO[bytes] | None
    sha256: str
    byte_count: int
    event_count: int
    erased_count: int


def without(
    file: IO[bytes], erased: Erased, project_id: str | None, *, is_gzip: bool
) -> Remainder:
    """The file without the events of erased persons; other lines to the letter.

    The file is read from its start. Raises OSError, EOFError or zlib's error if it is
    no whole gzip file.
    """
    are_erased = bytearray()
    event_count = 0
    for line in _lines(file, is_gzip):
        are_erased.append(erased.matches(project_id, line))
        event_count += not are_erased[-1] and bool(line.strip())
    erased_count = sum(are_erased)
    if not erased_count:
        return Remainder(None, "", 0, event_count, 0)
    kept = SpooledTemporaryFile(LARGEST_IN_MEMORY)  # noqa: SIM115 (closed by users)
    # The same lines are always the same bytes: without a time and a name.
    writer = gzip.GzipFile("", "wb", 6, kept, mtime=0) if is_gzip else kept
    for is_erased, line in zip(are_erased, _lines(file, is_gzip), strict=True):
        if not is_erased:
            writer.write(line)
    if is_gzip:
        writer.close()
    byte_count = kept.tell()
    kept.seek(0)
    digest = sha256()
    while piece := kept.read(PIECE):
        digest.update(piece)
    kept.seek(0)
    return Remainder(kept, digest.hexdigest(), byte_count, event_count, erased_count)


def _lines(file: IO[bytes], is_gzip: bool) -> Iterator[bytes]:
    file.seek(0)
    return iter(
        IGzipFile(fileobj=file) if is_gzip else file  # type: ignore[no-untyped-call]
    )


def put_erasure(landing: Landing, erasure: Erasure) -> None:
    """Write a record. Raises LandingError."""
    content = erasure.to_json()
    key = f"erasures/{erasure.erased_at:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}.json"
    landing.put(key, io.BytesIO(content), sha256(content).hexdigest())
