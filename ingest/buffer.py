"""The members between download and landing: in memory or on disk, limited in number."""

from collections.abc import Iterable
from io import BytesIO
from shutil import copyfileobj
from tempfile import TemporaryFile
from threading import Semaphore
from types import TracebackType
from typing import IO

# Amplitude's members are a few MB; a larger one waits on disk rather than in memory.
LARGEST_IN_MEMORY = 8 << 20

# So many keep two cores and an upload busy; 48 MiB of memory at most.
MEMBERS = 6
ON_DISK = 2


class BufferFull(Exception):
    """A member cannot be kept: the disk for temporary files is full."""


class MemberBuffer:
    """The members on their way to the landing, shared by all downloads."""

    def __init__(self) -> None:
        self.members = Semaphore(MEMBERS)
        self.on_disk = Semaphore(ON_DISK)

    def hold(self, chunks: Iterable[bytes]) -> "BufferedMember":
        """Keep a member as it arrives, once a place is free.

        Raises BufferFull, and what `chunks` raises.
        """
        held = BufferedMember(self)
        try:
            for chunk in chunks:
                held.write(chunk)
        except BaseException:
            held.close()
            raise
        held.content.seek(0)
        return held


class BufferedMember:
    """A member in the buffer. Closing it frees its place."""

    def __init__(self, buffer: MemberBuffer) -> None:
        buffer.members.acquire()
        self._buffer = buffer
        self.content: IO[bytes] = BytesIO()

    @property
    def is_on_disk(self) -> bool:
        return not isinstance(self.content, BytesIO)

    def write(self, chunk: bytes) -> None:
        try:
            size = self.content.tell() + len(chunk)
            if size > LARGEST_IN_MEMORY and not self.is_on_disk:
                self._move_to_disk()
            self.content.write(chunk)
        except OSError as error:
            raise BufferFull(f"a file cannot be held on disk: {error}") from error

    def _move_to_disk(self) -> None:
        self._buffer.on_disk.acquire()
        on_disk = TemporaryFile()  # noqa: SIM115 (closed by close)
        self.content.seek(0)
        copyfileobj(self.content, on_disk)
        self.content = on_disk

    def close(self) -> None:
        self.content.close()
        if self.is_on_disk:
            self._buffer.on_disk.release()
        self._buffer.members.release()

    def __enter__(self) -> IO[bytes]:
        return self.content

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
