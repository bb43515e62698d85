"""Which events belong to the persons to erase, and which ids are theirs."""

import contextlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from urllib.parse import unquote

from ingest.erasures import (
    KINDS,
    Erased,
    ErasedId,
    ids_of_line,
)
from ingest.landing import Version
from ingest.windows import parse_hour

OF_HOUR = re.compile(
    r"events/(?P<project>\d+)/(?P<day>\d{4}-\d\d-\d\d)/(?P<hour>\d\d)/[^/]+", re.ASCII
)
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
# A shorter id is in the text of many events by chance.
SHORTEST_TEXT = 6
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
                if (kind, fold_case(value)) in self.folded
            )
        return is_found

    def for_a_file(self) -> "Looking":
        """The same, for one thread."""
        return replace(self, mentions=set(), similar=set(), seen=Counter())

    def add(self, other: "Looking", *, counts: bool) -> None:
        """Add what was found in a file."""
        self.mentions.update(other.mentions)
        self.similar.update(other.similar)
        self.seen.update(other.seen if counts else dict.fromkeys(other.seen, 0))

    def found(self) -> dict[Row, int]:
        """The part of it that will be erased."""
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


def id_text(value: str) -> str:
    """An id as it may be in the text of an event (see `_plain`)."""
    return json.dumps(value, ensure_ascii=False)[1:-1].casefold()


def _plain(line: bytes) -> str:
    """The text of a line without escapes, as it is and as an address is read."""
    text = line.decode(errors="replace").replace("\\/", "/")
    text = ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return (text + unquote(text) if "%" in text else text).casefold()


@lru_cache(1 << 16)
def fold_case(value: str) -> str:
    return unicodedata.normalize("NFC", value.strip().casefold())


def place_of(key: str) -> tuple[str, datetime | None]:
    """The project and the upload hour that a key names; the hour may be None."""
    if found := OF_HOUR.fullmatch(key):
        with contextlib.suppress(ValueError):
            return found["project"], parse_hour(f"{found['day']}T{found['hour']}")
    return key.split("/")[1], None


def linked_ids(
    looking: Looking,
    wanted: set[ErasedId],
    base: Set[ErasedId],
    *,
    also_linked: bool,
) -> tuple[dict[ErasedId, str], set[ErasedId]]:
    """Ids that belong to the same person by the events that were found, and ids that
    on events of other people.

    As Amplitude deletes a user by its amplitude ids, those of a user id are linked. If
    asked for, so are devices, what is on them without a user id, and the user ids of
    amplitude ids that were given.
    """
    values = values_by_id(looking, looking.seen)
    users: set[ErasedId] = set()
    if also_linked:
        for project, ids in looking.seen:
            of_row = _by_kind(looking, project, ids)
            if any(is_among(wanted, one) for one in of_row["amplitude_id"]):
                users |= of_row["user_id"]
    candidates, foreign = set(users), set()
    for project, ids in looking.seen:
        of_row = _by_kind(looking, project, ids)
        own = {
            one
            for one in of_row["user_id"]
            if one in users or is_among(looking.ids, one)
        }
        others = of_row["amplitude_id"] | of_row["device_id"]
        if of_row["user_id"] - own:
            foreign |= others
        elif also_linked:
            candidates |= others
        elif own:
            candidates |= of_row["amplitude_id"]
    return (
        {one: values[one] for one in candidates if not is_among(base, one)},
        {one for one in foreign if not is_among(base, one)},
    )


def _by_kind(
    looking: Looking, project: str | None, ids: Iterable[tuple[str, str]]
) -> dict[str, set[ErasedId]]:
    found: dict[str, set[ErasedId]] = {kind: set() for kind in KINDS}
    for kind, value in ids:
        found[kind].add(ErasedId(project, kind, looking.salt.hash(kind, value)))
    return found


def values_by_id(looking: Looking, rows: Iterable[Row]) -> dict[ErasedId, str]:
    """The id of each hash."""
    return {
        ErasedId(project, kind, looking.salt.hash(kind, value)): value
        for project, ids in rows
        for kind, value in ids
    }


def is_among(ids: Set[ErasedId], one: ErasedId) -> bool:
    """Whether the id is among them, in its project or in all."""
    return one in ids or replace(one, project_id=None) in ids
