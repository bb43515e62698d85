"""Verify a member of the archive, and count its events."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from io import SEEK_END, BufferedReader, BytesIO
from typing import IO, Literal, cast

from isal.igzip import IGzipFile
from isal.igzip_lib import DECOMP_GZIP, IgzipDecompressor, IsalError

from ingest.archive import is_bomb
from ingest.windows import parse_hour

Format = Literal["json.gz", "json"]

# What is inflated in one step, and about what becomes of it: small enough for a
# processor's cache, and for malloc to use again.
CHUNK = 32 << 10
PIECE = 256 << 10

OPENING, CLOSING = b"{}"

# Snowflake takes no larger value into a VARIANT of the default size (16 MB).
LONGEST_LINE = 16 << 20

LONGEST_NAME = 200

# <project>/<project>_<YYYY-MM-DD>_<H>#<n>.json.gz; the hour is not zero-padded.
NAME = re.compile(
    r"(?:(?P<folder>\d+)/)?(?P<project>\d{1,20})_(?P<day>\d{4}-\d\d-\d\d)"
    r"_(?P<hour>\d{1,2})#(?P<part>\d{1,9})\.json\.gz",
    re.ASCII,
)


class MemberError(Exception):
    """The member is not gzipped JSON, one object a line."""


@dataclass(frozen=True)
class MemberName:
    """The parts of a member's name."""

    name: str = field(compare=False)
    project_id: str
    hour: datetime
    part: int

    @classmethod
    def parse(cls, name: str) -> "MemberName":
        """Raises MemberError if the name is not of the Export API's form."""
        found = NAME.fullmatch(name)
        hour = None
        if found:
            with suppress(ValueError):
                hour = parse_hour(f"{found['day']}T{int(found['hour']):02}")
        if not found or not hour:
            short = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
            raise MemberError(f"{short!r} is not a name of the Export API")
        if found["folder"] not in (None, found["project"]):
            raise MemberError(f"{name!r} is in the folder of another project")
        return cls(name, found["project"], hour, int(found["part"]))


@dataclass(frozen=True)
class VerifiedMember:
    """A member that was read completely and is not damaged.

    `content` is the object to land, positioned at its start: `byte_count` bytes whose
    SHA-256 is `sha256` (hex), holding `event_count` events.
    """

    content: IO[bytes]
    byte_count: int
    sha256: str
    event_count: int


def verify(
    member: IO[bytes], format: Format, *, validate: bool = False
) -> VerifiedMember:
    """Read a gzipped member; check its CRC and that each line is a JSON object.

    A line is known as an object by its braces; `validate` parses every one.

    Raises MemberError with the reason if the member is not whole.
    """
    lines = _Lines(validate)
    digest, byte_count = hashlib.sha256(), 0
    for piece in _gunzip(member):
        lines.check(piece)
        if format == "json":
            digest.update(piece)
            byte_count += len(piece)
    lines.end()
    member.seek(0)
    if format == "json":
        content: IO[bytes] = cast(IO[bytes], _Text(member, byte_count))
    else:
        content = member
        digest = hashlib.file_digest(cast(BufferedReader, member), "sha256")
        byte_count = member.seek(0, SEEK_END)
        member.seek(0)
    return VerifiedMember(content, byte_count, digest.hexdigest(), lines.count)


class _Text(IGzipFile):
    """The text of a gzipped member, inflated while it is read rather than kept.

    Its length is known, so it need not be inflated to learn that.
    """

    def __init__(self, member: IO[bytes], byte_count: int) -> None:
        super().__init__(fileobj=member)  # type: ignore[no-untyped-call]
        self._byte_count = byte_count

    def __len__(self) -> int:
        return self._byte_count


def _gunzip(member: IO[bytes]) -> Iterator[bytes]:
    """The inflated pieces; several gzip streams behind one another are one text."""
    inflater, byte_count = IgzipDecompressor(flag=DECOMP_GZIP), 0
    while chunk := inflater.unused_data or member.read(CHUNK):
        if inflater.eof:
            inflater = IgzipDecompressor(flag=DECOMP_GZIP)
        try:
            while not inflater.eof and (piece := inflater.decompress(chunk, PIECE)):
                byte_count += len(piece)
                if is_bomb(member.tell(), byte_count):
                    raise MemberError("the gzip data inflates to a suspicious size")
                yield piece
                chunk = b""
        except IsalError as error:  # type: ignore[misc]
            raise MemberError(f"the gzip data is damaged ({error})") from error
    if not inflater.eof:
        raise MemberError("the gzip data is cut off")


def _is_utf8(text: bytes) -> bool:
    try:
        str(text, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _framed_lines(lines: bytes) -> int:
    """Count the lines if each is `{…}` in UTF-8, else return 0.

    JSON has no raw newline inside a value, so a line's first and last byte are enough.
    """
    if b"\r" in lines or not _is_utf8(lines):
        return 0
    count = 0
    for line in BytesIO(lines):
        if line[0] != OPENING or line[-2] != CLOSING:
            return 0
        count += 1
    return count


class _Lines:
    """Counts the lines of a text that comes in pieces; each must frame an object."""

    def __init__(self, validate: bool) -> None:
        self.count = 0
        self._read = 0
        self._rest = b""
        self._validate = validate

    def check(self, piece: bytes) -> None:
        """Check the lines that end in the piece."""
        end = piece.rfind(b"\n") + 1
        if end:
            self._check_lines(b"".join((self._rest, memoryview(piece)[:end])))
            self._rest = b""
        self._rest += piece[end:]
        if len(self._rest) > LONGEST_LINE:
            raise MemberError(f"line {self._read + 1} is longer than 16 MiB")

    def end(self) -> None:
        """Check the last line, which may lack its newline."""
        if self._rest:
            self._check_lines(self._rest + b"\n")

    def _check_lines(self, lines: bytes) -> None:
        count = 0 if self._validate else _framed_lines(lines)
        if count:
            self.count += count
            self._read += count
        else:
            self._check_each(lines)

    def _check_each(self, lines: bytes) -> None:
        for number, line in enumerate(BytesIO(lines), self._read + 1):
            self._read = number
            line = line.strip()
            if not line:
                continue
            if not _is_utf8(line):
                raise MemberError(f"line {number} is not UTF-8")
            if b"\r" in line:
                raise MemberError(f"line {number} contains a carriage return")
            if not (line.startswith(b"{") and line.endswith(b"}")):
                raise MemberError(f"line {number} is not a JSON object")
            if self._validate:
                try:
                    # An integer may be longer than Python likes to count.
                    json.loads(line, parse_int=str)
                except (ValueError, RecursionError) as error:
                    raise MemberError(f"line {number} is not JSON ({error})") from None
            self.count += 1
