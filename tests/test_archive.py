"""The streaming zip reader, against archives that the standard library writes."""

import io
import random
import stat
import zipfile
from collections.abc import Iterator

import pytest

from ingest.archive import ArchiveError, members

CONTENTS = {
    "5/5_2026-01-01_0#0.json.gz": random.Random(1).randbytes(300_000),
    "5/5_2026-01-01_0#1.json.gz": b"",
    # What marks the end of a member may well be part of one.
    "5/5_2026-01-01_1#0.json.gz": b"PK\x07\x08PK\x03\x04PPK\x07" * 10,
}


class Unseekable(io.RawIOBase):
    """Makes zipfile write sizes behind the members, as who streams must."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.written += data
        return len(data)


def archive_of(
    contents: dict[str, bytes], *, method: int, streamed: bool, zip64: bool = False
) -> bytes:
    target = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in contents.items():
            with archive.open(name, "w", force_zip64=zip64) as member:
                member.write(content)
    return (
        target.getvalue() if isinstance(target, io.BytesIO) else bytes(target.written)
    )


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def read(data: bytes, size: int = 1 << 16) -> dict[str, bytes]:
    return {name: b"".join(content) for name, content in members(pieces(data, size))}


@pytest.mark.parametrize("zip64", [False, True], ids=["zip32", "zip64"])
@pytest.mark.parametrize("streamed", [False, True], ids=["seekable", "streamed"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("size", [7, 1 << 16])
def test_reads_every_kind_of_archive(method, streamed, zip64, size):
    data = archive_of(CONTENTS, method=method, streamed=streamed, zip64=zip64)
    assert read(data, size) == CONTENTS


def test_reads_an_empty_archive():
    assert read(archive_of({}, method=zipfile.ZIP_STORED, streamed=False)) == {}


def test_skips_the_bytes_that_the_caller_did_not_read():
    data = archive_of(CONTENTS, method=zipfile.ZIP_DEFLATED, streamed=True)
    assert [name for name, _ in members([data])] == list(CONTENTS)


SMALL = {"a": b"some bytes, some bytes", "b": b"and others"}
SMALL_ARCHIVES = [
    archive_of(SMALL, method=method, streamed=streamed)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    for streamed in (False, True)
]


@pytest.mark.parametrize("data", SMALL_ARCHIVES)
def test_notices_a_cut_at_any_byte(data):
    for end in range(len(data)):
        with pytest.raises(ArchiveError):
            read(data[:end])


@pytest.mark.parametrize("data", SMALL_ARCHIVES)
def test_never_passes_off_other_contents_as_whole(data):
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        try:
            assert read(bytes(damaged)) == SMALL
        except ArchiveError:
            continue


def test_notices_a_member_that_the_contents_do_not_name():
    first, both = (
        archive_of(contents, method=zipfile.ZIP_STORED, streamed=False)
        for contents in ({"a": SMALL["a"]}, SMALL)
    )
    at = first.index(b"PK\x01\x02")
    spliced = both[: both.index(b"PK\x01\x02")] + first[at:]
    with pytest.raises(ArchiveError, match="do not match"):
        read(spliced)


def test_notices_what_is_behind_the_end():
    data = archive_of(SMALL, method=zipfile.ZIP_STORED, streamed=False)
    with pytest.raises(ArchiveError, match="after its end record"):
        read(data + data)


def test_notices_entries_that_only_the_end_record_counts():
    data = archive_of(SMALL, method=zipfile.ZIP_STORED, streamed=False)
    with pytest.raises(ArchiveError, match="is incomplete"):
        read(data[:-12] + b"\x63\x00" + data[-10:])


def test_reads_a_comment_at_the_end():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a", SMALL["a"])
        archive.comment = b"made by hand"
    assert read(target.getvalue()) == {"a": SMALL["a"]}


@pytest.mark.parametrize("streamed", [False, True], ids=["seekable", "streamed"])
def test_stops_at_a_bomb(streamed):
    zeros = {"a": bytes(100 << 20)}
    data = archive_of(zeros, method=zipfile.ZIP_DEFLATED, streamed=streamed)
    taken = 0
    with pytest.raises(ArchiveError, match="more than its size"):
        for _, content in members([data]):
            for piece in content:
                taken += len(piece)
    assert taken < 50 << 20


def test_stops_where_a_member_outgrows_its_declared_size():
    contents = {"a": random.Random(2).randbytes(5 << 20)}
    data = bytearray(archive_of(contents, method=zipfile.ZIP_DEFLATED, streamed=False))
    data[22:26] = (1000).to_bytes(4, "little")
    taken = 0
    with pytest.raises(ArchiveError, match="more than its size"):
        for _, content in members([bytes(data)]):
            for piece in content:
                taken += len(piece)
    assert taken == 0


def test_refuses_a_link():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        link = zipfile.ZipInfo("5/5_2026-01-01_0#0.json.gz")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ArchiveError, match="is a link"):
        read(target.getvalue())


@pytest.mark.parametrize("data", [b"", b"PK", b"<html>Sign in</html>" * 100])
def test_rejects_bytes_that_are_not_a_zip(data):
    with pytest.raises(ArchiveError):
        read(data)
