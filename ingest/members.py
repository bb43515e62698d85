"""Prove a member of the archive whole, and count its events."""

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Literal

from ingest.windows import parse_hour

Format = Literal["json.gz", "json"]

# Amplitude's members are a few MB; a larger one waits on disk rather than in memory.
SPOOL_IN_MEMORY = 16 << 20

PIECE = 1 << 20

# Snowflake takes no larger value into a VARIANT of the default size (16 MB).
LONGEST_LINE = 16 << 20

# <project>/<project>_<YYYY-MM-DD>_<H>#<n>.json.gz; the hour is not zero-padded.
NAME = re.compile(
    r"(?:\d+/)?(?P<project>\d+)_(?P<day>\d{4}-\d\d-\d\d)_(?P<hour>\d{1,2})"
    r"#(?P<part>\d+)\.json\.gz"
)


class MemberError(Exception):
    """The member is not gzipped JSON, one object a line."""


@dataclass(frozen=True)
class MemberName:
    """What Amplitude says by a member's name."""

    name: str
    project_id: str
    hour: datetime
    part: int

    @classmethod
    def parse(cls, name: str) -> "MemberName":
        """Raises MemberError if the name is not of the Export API's form."""
        try:
            found = NAME.fullmatch(name)
            hour = parse_hour(f"{found['day']}T{int(found['hour']):02}")
        except (TypeError, ValueError):
            raise MemberError(f"{name!r} is not a name of the Export API") from None
        return cls(name, found["project"], hour, int(found["part"]))


@dataclass(frozen=True)
class Proof:
    """A member that was read to its end without a fault.

    `content` is the object to land, positioned at its start: `byte_count` bytes whose
    SHA-256 is `sha256` (hex), holding `event_count` events.
    """

    content: IO[bytes]
    byte_count: int
    sha256: str
    event_count: int


def prove(chunks: Iterable[bytes], format: Format, *, validate: bool = False) -> Proof:
    """Read a gzipped member; check its CRC and that each line is a JSON object.

    A line is known as an object by its braces; `validate` parses every one.

    Raises MemberError with the reason if the member is not whole.
    """
    digest, lines = hashlib.sha256(), _Lines(validate)
    spool = SpooledTemporaryFile(SPOOL_IN_MEMORY)  # noqa: SIM115 (the caller closes it)

    def keep(piece: bytes) -> None:
        digest.update(piece)
        spool.write(piece)

    try:
        compressed = keep if format == "json.gz" else _ignore
        for piece in _gunzip(chunks, compressed):
            lines.check(piece)
            if format == "json":
                keep(piece)
        lines.finish()
    except BaseException:
        spool.close()
        raise
    byte_count = spool.tell()
    spool.seek(0)
    return Proof(spool, byte_count, digest.hexdigest(), lines.count)


def _ignore(piece: bytes) -> None:
    pass


def _gunzip(chunks: Iterable[bytes], each: Callable[[bytes], None]) -> Iterator[bytes]:
    """The inflated pieces; `each` is called with every compressed chunk."""
    inflater = None
    for chunk in chunks:
        each(chunk)
        while chunk:
            if inflater is None:
                inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
            try:
                piece = inflater.decompress(chunk, PIECE)
            except zlib.error as error:
                raise MemberError(f"the gzip data is damaged ({error})") from error
            if piece:
                yield piece
            chunk = inflater.unconsumed_tail or inflater.unused_data
            if inflater.eof:
                inflater = None
    if inflater is not None:
        raise MemberError("the gzip data is cut off")


class _Lines:
    """Counts lines and checks that each is framed as a JSON object."""

    def __init__(self, validate: bool) -> None:
        self.count = 0
        self._read = 0
        self._validate = validate
        self._open = b""

    def check(self, piece: bytes) -> None:
        whole, newline, self._open = (self._open + piece).rpartition(b"\n")
        if newline:
            self._check_lines(whole)
        if len(self._open) > LONGEST_LINE:
            raise MemberError(f"line {self._read + 1} is longer than 16 MiB")

    def finish(self) -> None:
        if self._open:
            self._check_lines(self._open)

    def _check_lines(self, lines: bytes) -> None:
        count = lines.count(b"\n") + 1
        # JSON has no raw newline inside a value, so these two looks see every frame.
        framed = (
            lines[:1] == b"{"
            and lines[-1:] == b"}"
            and lines.count(b"}\n{") == count - 1
        )
        if framed and not self._validate:
            self.count += count
        else:
            self._check_each(lines)
        self._read += count

    def _check_each(self, lines: bytes) -> None:
        for number, line in enumerate(lines.split(b"\n"), self._read + 1):
            line = line.strip()
            if not line:
                continue
            if not (line.startswith(b"{") and line.endswith(b"}")):
                raise MemberError(f"line {number} is not a JSON object")
            if self._validate:
                try:
                    json.loads(line)
                except ValueError as error:
                    raise MemberError(f"line {number} is not JSON ({error})") from None
            self.count += 1
