"""A folder as a landing."""

import contextlib
import fcntl
import hashlib
import os
import re
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfileobj
from tempfile import NamedTemporaryFile
from typing import IO

from ingest.landing.store import LandedObject, LandingError, Version, report_replacement


class FolderLanding:
    """Objects as files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # On the same file system as the objects, so that moving them is atomic.
        self._incoming = root / ".incoming"
        with _folder_errors(root):
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._incoming, os.O_RDONLY)
            self._unlock = weakref.finalize(self, os.close, self._lock)
            self._remove_what_killed_runs_left()

    def _remove_what_killed_runs_left(self) -> None:
        """Runs share a lock: if the exclusive lock succeeds, no other run is alive."""
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in self._incoming.iterdir():
                left.unlink()
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def put(
        self, key: str, content: IO[bytes], sha256: str, *, replace: bool = False
    ) -> bool:
        path = self._root / key
        with _folder_errors(self._root):
            if (found := self.sha256_of(key)) == sha256:
                return False
            if found:
                report_replacement(key, replace)
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._incoming, delete=False) as incoming:
                copyfileobj(content, incoming)
                incoming.flush()
                os.fsync(incoming.fileno())
            Path(incoming.name).replace(path)
        return True

    def read(self, prefix: str, form: re.Pattern[str]) -> Iterator[LandedObject]:
        with _folder_errors(self._root):
            for path in sorted((self._root / prefix).rglob("*")):
                key = path.relative_to(self._root).as_posix()
                if form.fullmatch(key) and path.is_file():
                    modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                    yield LandedObject(key, path.read_bytes(), modified)

    def keys(self, prefix: str) -> Iterator[str]:
        folder = prefix.rpartition("/")[0]
        with _folder_errors(self._root):
            for path in sorted((self._root / folder).rglob("*")):
                key = path.relative_to(self._root).as_posix()
                if key.startswith(prefix) and path.is_file():
                    yield key

    def sha256_of(self, key: str) -> str | None:
        path = self._root / key
        with _folder_errors(self._root):
            if not path.exists():
                return None
            with path.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest()

    def versions(self, prefix: str) -> Iterator[Version]:
        return (Version(key, None, True) for key in self.keys(prefix))

    def content(self, version: Version) -> bytes | None:
        with _folder_errors(self._root), contextlib.suppress(FileNotFoundError):
            return (self._root / version.key).read_bytes()
        return None

    def delete(self, version: Version) -> None:
        path = self._root / version.key
        with _folder_errors(self._root):
            path.unlink(missing_ok=True)

    def delete_all(self, key: str) -> None:
        self.delete(Version(key, None, True))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LandingError(
                f"another run uses the landing {self._root}: wait until it has ended"
            ) from None
        yield
        fcntl.flock(self._lock, fcntl.LOCK_SH)


@contextlib.contextmanager
def _folder_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LandingError(
            f"the landing folder {root} cannot be used: {error.strerror or error}"
        ) from error
