"""Prove a member of the archive whole, and count its events."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Literal

from isal import isal_zlib as zlib

from ingest.windows import parse_hour

Format = Literal["json.gz", "json"]

# Amplitude's members are a few MB; a larger one waits on disk rather than in memory.
LARGEST_IN_MEMORY = 16 << 20

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


def hold(chunks: Iterable[bytes]) -> IO[bytes]:
    """Keep a member as it arrives, in memory up to 16 MiB; positioned at its start."""
    held = SpooledTemporaryFile(LARGEST_IN_MEMORY)  # noqa: SIM115 (the caller closes it)
    for chunk in chunks:
        held.write(chunk)
    held.seek(0)
    return held


def prove(member: IO[bytes], format: Format, *, validate: bool = False) -> Proof:
    """Read a gzipped member; check its CRC and that each line is a JSON object.

    A line is known as an object by its braces; `validate` parses every one.

    Raises MemberError with the reason if the member is not whole.
    """
    lines = _Lines(validate)
    pieces = lines.watch(_gunzip(iter(lambda: member.read(PIECE), b"")))
    if format == "json":
        content = hold(pieces)
    else:
        for _ in pieces:
            pass
        content = member
    content.seek(0)
    digest = hashlib.file_digest(content, "sha256").hexdigest()
    byte_count = content.tell()
    content.seek(0)
    return Proof(content, byte_count, digest, lines.count)


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The inflated pieces; several gzip streams behind one another are one text."""
    inflater, is_empty = None, True
    for chunk in chunks:
        is_empty = False
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
    if inflater is not None or is_empty:
        raise MemberError("the gzip data is cut off")


def _is_utf8(text: bytes) -> bool:
    try:
        return text.isascii() or bool(text.decode())
    except UnicodeDecodeError:
        return False


class _Lines:
    """Counts lines and checks that each is framed as a JSON object."""

    def __init__(self, validate: bool) -> None:
        self.count = 0
        self._read = 0
        self._validate = validate

    def watch(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the pieces on, each after the lines that end in it were checked."""
        rest = b""
        for piece in pieces:
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            if newline:
                self._check_lines(whole)
            if len(rest) > LONGEST_LINE:
                raise MemberError(f"line {self._read + 1} is longer than 16 MiB")
            yield piece
        if rest:
            self._check_lines(rest)

    def _check_lines(self, lines: bytes) -> None:
        count = lines.count(b"\n") + 1
        # JSON has no raw newline inside a value, so these two looks see every frame.
        framed = (
            lines[:1] == b"{"
            and lines[-1:] == b"}"
            and lines.count(b"}\n{") == count - 1
            and b"\r" not in lines
            and _is_utf8(lines)
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
            if not _is_utf8(line):
                raise MemberError(f"line {number} is not UTF-8")
            if b"\r" in line:
                raise MemberError(f"line {number} holds a carriage return")
            if not (line.startswith(b"{") and line.endswith(b"}")):
                raise MemberError(f"line {number} is not a JSON object")
            if self._validate:
                try:
                    json.loads(line)
                except ValueError as error:
                    raise MemberError(f"line {number} is not JSON ({error})") from None
            self.count += 1
