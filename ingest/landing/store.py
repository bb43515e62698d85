"""The interface of a landing: objects under keys, and where they are."""

import contextlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Protocol

log = logging.getLogger(__name__)
PIECE = 1 << 20


class LandingError(Exception):
    """The landing cannot be read or written; the message says why."""


class DamagedObject(Exception):
    """An object exists whose content does not match its key."""


@dataclass(frozen=True)
class LandedObject:
    """An object of the landing. `landed_at` is by the store's clock."""

    key: str
    content: bytes
    landed_at: datetime


@dataclass(frozen=True)
class Version:
    """A version of an object. A folder keeps one of each, S3 may keep older ones."""

    key: str
    version_id: str | None
    is_current: bool


class Landing(Protocol):
    """A store of objects under keys like `events/…` and `ledger/…`."""

    def put(
        self, key: str, content: IO[bytes], sha256: str, *, replace: bool = False
    ) -> bool:
        """Land an object whose SHA-256 (hex) is given; False if it was there.

        Raises DamagedObject if the key holds something else; with `replace` that is
        overwritten, and reported in the log.
        """

    def read(self, prefix: str, form: re.Pattern[str]) -> Iterable[LandedObject]:
        """Each object whose key begins with `prefix` and is wholly of the `form`."""

    def keys(self, prefix: str) -> Iterable[str]:
        """The key of each object that begins with `prefix`."""

    def sha256_of(self, key: str) -> str | None:
        """SHA-256 (hex) of an object as it is now; None if there is none."""

    def versions(self, prefix: str) -> Iterable[Version]:
        """Each version that the store keeps of objects whose key begins so."""

    def content(self, version: Version) -> bytes | None:
        """The content of a version; None if it no longer exists."""

    def delete(self, version: Version) -> None:
        """Delete a version for good."""

    def delete_all(self, key: str) -> None:
        """Delete every version of an object for good, the current one last."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Excludes every other run; S3 has no such lock.

        Raises LandingError if one is under way.
        """


class Place(Protocol):
    """Settings that say where the landing is, and how to reach it."""

    @property
    def landing(self) -> str: ...
    @property
    def aws_region(self) -> str | None: ...
    @property
    def aws_access_key(self) -> str | None: ...
    @property
    def aws_secret_key(self) -> str | None: ...


def report_replacement(key: str, is_wanted: bool) -> None:
    """Report that an object is damaged and is replaced."""
    if not is_wanted:
        raise DamagedObject(
            f"{key} in the landing is damaged, its content is not what its name says:"
            " make ingest ARGS=--repair replaces it"
        )
    log.warning("%s was damaged: replaced", key)
