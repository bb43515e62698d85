"""Read a zip archive while it arrives, and verify that it is complete.

The zip format keeps its table of contents at the end, so a reader of the stream meets
each member before knowing whether there are more. This reader checks every member's CRC
and sizes as it passes, and then that the table names exactly the members seen and that
the end record is there. The archive is verified only after the last of `members` was
read. Format: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
"""

import struct
from collections.abc import Iterable, Iterator

from isal import isal_zlib as zlib

LOCAL_HEADER = b"PK\x03\x04"
DESCRIPTOR = b"PK\x07\x08"
CENTRAL_HEADER = b"PK\x01\x02"
ZIP64_END = b"PK\x06\x06"
ZIP64_LOCATOR = b"PK\x06\x07"
END = b"PK\x05\x06"

STORED, DEFLATED = 0, 8
ENCRYPTED, HAS_DESCRIPTOR = 0x01, 0x08
IN_ZIP64_EXTRA = 0xFFFFFFFF
IN_ZIP64_RECORD = 0xFFFF

# A week of a busy project has 5,000; what never ends is not an export.
MOST_MEMBERS = 100_000

# The end record of zip64 has 44 bytes and what makers of archives add of their own.
LONGEST_RECORD = 64 << 10

# What one step of inflating takes, and gives at most: bounds memory, whatever a member
# claims to hold, and what is copied where many small members share a chunk.
STEP = 32 << 10
PIECE = 1 << 20

# An exported row holds two random UUIDs among 2 KB, so no honest text shrinks so far.
MOST_INFLATED = 200
INFLATED_FREELY = 16 << 20

# https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/sys_stat.h.html
FILE_TYPE, LINK = 0o170000, 0o120000


class ArchiveError(Exception):
    """The bytes are not one complete zip archive."""


class TooManyMembers(ArchiveError):
    """The archive has more members than any export."""


def is_bomb(compressed_size: int, size: int) -> bool:
    """Whether text inflates to more than compressed events plausibly can."""
    return size > INFLATED_FREELY + MOST_INFLATED * compressed_size


class _Stream:
    """The archive's bytes, which can be read in any amount."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk, self._at = b"", 0

    def any(self, most: int = PIECE) -> bytes:
        """Some bytes, no more than `most`; none at the end."""
        if self._at == len(self._chunk):
            self._chunk = next((chunk for chunk in self._chunks if chunk), b"")
            self._at = 0
        taken = self._chunk[self._at : self._at + most]
        self._at += len(taken)
        return taken

    def exactly(self, size: int) -> bytes:
        taken = self._up_to(size)
        if len(taken) < size:
            raise ArchiveError("the archive is cut off")
        return taken

    def peek(self, size: int) -> bytes:
        taken = self._up_to(size)
        self.give_back(taken)
        return taken

    def give_back(self, taken: bytes) -> None:
        """Return bytes to the stream, so that they are read again."""
        before = self._at - len(taken)
        if before >= 0:
            self._at = before
        else:
            self._chunk, self._at = taken + self._chunk[self._at :], 0

    def _up_to(self, size: int) -> bytes:
        parts, missing = [], size
        while missing and (part := self.any(missing)):
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


class _Seen:
    """What was read of a member, to compare with the table of contents."""

    def __init__(self) -> None:
        self.crc, self.size, self.compressed_size = 0, 0, 0

    def count(self, piece: bytes) -> bytes:
        self.crc = zlib.crc32(piece, self.crc)
        self.size += len(piece)
        return piece

    def facts(self) -> tuple[int, int, int]:
        return self.crc, self.compressed_size, self.size


def members(chunks: Iterable[bytes]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield each member's name and content as the archive's bytes arrive.

    A member's content is checked when its last piece has been taken; what the caller
    leaves is read over (and checked) before the next member. Nothing larger than 1 MiB
    is held, whatever the archive's size.

    Raises ArchiveError when the archive is cut off, damaged, encrypted or no zip, and
    TooManyMembers when it does not end.
    """
    stream = _Stream(chunks)
    seen: list[tuple[bytes, tuple[int, int, int]]] = []
    while (signature := stream.exactly(4)) == LOCAL_HEADER:
        if len(seen) == MOST_MEMBERS:
            raise TooManyMembers(f"the archive has more than {MOST_MEMBERS:,} members")
        name, facts, content = _member(stream)
        if not name.endswith(b"/"):  # a folder, to some who write archives
            yield name.decode("utf-8", "replace"), content
        for _ in content:
            pass
        seen.append((name, facts.facts()))
    _check_contents(stream, signature, seen)


def _member(stream: _Stream) -> tuple[bytes, _Seen, Iterator[bytes]]:
    _, flags, method, _, _, crc, compressed_size, size, name_length, extra_length = (
        struct.unpack("<5H3I2H", stream.exactly(26))
    )
    name = stream.exactly(name_length)
    size, compressed_size = _zip64_sizes(
        stream.exactly(extra_length), size, compressed_size
    )
    if flags & ENCRYPTED or method not in (STORED, DEFLATED):
        raise ArchiveError(f"member {name!r} is encrypted or of an unknown method")
    seen = _Seen()

    def content() -> Iterator[bytes]:
        if method == DEFLATED:
            for piece in _inflate(stream, seen):
                is_too_long = not flags & HAS_DESCRIPTOR and seen.size > size
                if is_too_long or is_bomb(seen.compressed_size, seen.size):
                    raise ArchiveError(
                        f"member {name!r} inflates to more than its size"
                    )
                yield piece
        elif flags & HAS_DESCRIPTOR and not compressed_size:
            yield from _until_descriptor(stream, seen)
        else:
            yield from _copy(stream, seen, compressed_size)
        if flags & HAS_DESCRIPTOR:
            _take_descriptor(stream, seen, name)
        elif seen.facts() != (crc, compressed_size, size):
            raise ArchiveError(f"member {name!r} is damaged (CRC or size)")

    return name, seen, content()


def _zip64_sizes(extra: bytes, size: int, compressed_size: int) -> tuple[int, int]:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == 1:
            values = [value for (value,) in struct.iter_unpack("<Q", field[:16])]
            if size == IN_ZIP64_EXTRA and values:
                size = values.pop(0)
            if compressed_size == IN_ZIP64_EXTRA and values:
                compressed_size = values.pop(0)
    return size, compressed_size


def _inflate(stream: _Stream, seen: _Seen) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    waiting = b""
    while not inflater.eof:
        if not waiting:
            waiting = stream.any(STEP)
            if not waiting:
                raise ArchiveError("the archive is cut off")
            seen.compressed_size += len(waiting)
        try:
            piece = inflater.decompress(waiting, PIECE)
        except zlib.error as error:  # type: ignore[misc]
            raise ArchiveError(f"a member cannot be inflated: {error}") from error
        waiting = inflater.unconsumed_tail
        if piece:
            yield seen.count(piece)
    seen.compressed_size -= len(inflater.unused_data)
    stream.give_back(inflater.unused_data)


def _copy(stream: _Stream, seen: _Seen, size: int) -> Iterator[bytes]:
    while seen.size < size:
        yield seen.count(stream.exactly(min(PIECE, size - seen.size)))
    seen.compressed_size = size


def _until_descriptor(stream: _Stream, seen: _Seen) -> Iterator[bytes]:
    """Content of unknown length: it ends where a descriptor fits what has passed."""
    tail = b""
    while chunk := stream.any(STEP):
        data = tail + chunk
        at = data.find(DESCRIPTOR)
        if at < 0:
            at = max(0, len(data) - len(DESCRIPTOR) + 1)
            tail = data[at:]
            yield seen.count(data[:at])
            continue
        tail = b""
        stream.give_back(data[at:])
        yield seen.count(data[:at])
        seen.compressed_size = seen.size
        if _descriptor_length(stream.peek(24), seen):
            return
        yield seen.count(stream.exactly(len(DESCRIPTOR)))
    raise ArchiveError("the archive is cut off")


def _descriptor_length(data: bytes, seen: _Seen) -> int:
    """Length of the descriptor at the start of `data` that fits; 0 if none does."""
    for signature in (DESCRIPTOR, b""):
        for sizes in ("QQ", "II"):
            try:
                fitting = signature + struct.pack("<I" + sizes, *seen.facts())
            except struct.error:
                continue
            if data.startswith(fitting):
                return len(fitting)
    return 0


def _take_descriptor(stream: _Stream, seen: _Seen, name: bytes) -> None:
    data = stream.peek(24)
    length = _descriptor_length(data, seen)
    if not length:
        damage = "damaged (CRC or size)" if len(data) == 24 else "cut off"
        raise ArchiveError(f"member {name!r} is {damage}")
    stream.exactly(length)


def _check_contents(
    stream: _Stream, signature: bytes, seen: list[tuple[bytes, tuple[int, int, int]]]
) -> None:
    named = []
    while signature == CENTRAL_HEADER:
        crc, compressed_size, size, name_length, extra_length, comment_length, mode = (
            struct.unpack_from("<3I3H6xH", stream.exactly(42), 12)
        )
        name, extra = stream.exactly(name_length), stream.exactly(extra_length)
        stream.exactly(comment_length)
        if mode & FILE_TYPE == LINK:
            raise ArchiveError(f"member {name!r} is a link")
        size, compressed_size = _zip64_sizes(extra, size, compressed_size)
        named.append((name, (crc, compressed_size, size)))
        if len(named) > len(seen):
            raise ArchiveError("the archive's contents do not match its members")
        signature = stream.exactly(4)
    if signature == ZIP64_END:
        (length,) = struct.unpack("<Q", stream.exactly(8))
        if length > LONGEST_RECORD:
            raise ArchiveError("the archive's end record is damaged")
        stream.exactly(length)
        signature = stream.exactly(4)
    if signature == ZIP64_LOCATOR:
        stream.exactly(16)
        signature = stream.exactly(4)
    if signature != END:
        raise ArchiveError("the bytes are not a zip archive")
    entry_count, comment_length = struct.unpack("<6xH8xH", stream.exactly(18))
    stream.exactly(comment_length)
    if entry_count not in (len(named), IN_ZIP64_RECORD):
        raise ArchiveError("the archive's table of contents is incomplete")
    if sorted(named) != sorted(seen):
        raise ArchiveError("the archive's contents do not match its members")
    if len({name for name, _ in seen}) < len(seen):
        raise ArchiveError("two of the archive's members have one name")
    # Asking for more also lets the HTTP client notice a cut-off answer.
    if stream.any():
        raise ArchiveError("the archive continues after its end record")
