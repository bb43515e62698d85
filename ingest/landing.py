"""Where objects land: a folder or S3, behind one small interface.

A key never changes content: `put` of a key that is there already does nothing, and an
object becomes visible whole or not at all. An object whose content is not what was put
was changed by something else; `put` replaces it only if told to.
"""

import base64
import contextlib
import fcntl
import hashlib
import logging
import os
import re
import time
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import count
from pathlib import Path
from shutil import copyfileobj
from tempfile import NamedTemporaryFile
from typing import IO, Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)

ATTEMPTS = 5
# Neither the ingest nor Snowflake has these (snowflake_setup/aws/landing.yml).
OF_ERASING = (
    "to erase takes s3:ListBucket, s3:ListBucketVersions, s3:GetObject,"
    " s3:GetObjectVersion, s3:PutObject, s3:DeleteObject and s3:DeleteObjectVersion:"
    " run it with your own credentials, not with those of the workflow"
)
PIECE = 1 << 20


class LandingError(Exception):
    """The landing cannot be read or written; the message says why."""


class DamagedObject(Exception):
    """An object is there already, with other content than its key stands for."""


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
        """The content of a version; None if it is gone by now."""

    def delete(self, version: Version) -> None:
        """Delete a version for good."""

    def delete_all(self, key: str) -> None:
        """Delete every version of an object for good, the current one last."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keeps every other run out; S3 has no such lock.

        Raises LandingError if one is under way.
        """


class Place(Protocol):
    """Settings that say where the landing is, and how to get there."""

    @property
    def landing(self) -> str: ...
    @property
    def aws_region(self) -> str | None: ...
    @property
    def aws_access_key(self) -> str | None: ...
    @property
    def aws_secret_key(self) -> str | None: ...


def open_landing(settings: Place) -> Landing:
    """The landing that the settings name. Raises LandingError if it cannot be used."""
    if settings.landing.startswith("s3://"):
        return S3Landing(settings)
    return FolderLanding(Path(settings.landing))


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
        """Each run shares a lock while it lives: who can have it alone is alone."""
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
                _replace(key, replace)
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


def _replace(key: str, is_wanted: bool) -> None:
    """Report an object that holds what it should not, and that it is replaced."""
    if not is_wanted:
        raise DamagedObject(
            f"{key} in the landing is damaged, its content is not what its name says:"
            " make ingest ARGS=--repair replaces it"
        )
    log.warning("%s was damaged: replaced", key)


@contextlib.contextmanager
def _folder_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LandingError(
            f"the landing folder {root} cannot be used: {error.strerror or error}"
        ) from error


class S3Landing:
    """Objects in a bucket, each upload checked by S3 and none overwritten."""

    def __init__(self, settings: Place) -> None:
        self._bucket, _, prefix = settings.landing.removeprefix("s3://").partition("/")
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        with self._errors():
            self._client = boto3.client(
                "s3",
                region_name=settings.aws_region,
                aws_access_key_id=settings.aws_access_key,
                aws_secret_access_key=settings.aws_secret_key,
                config=Config(
                    connect_timeout=10,
                    read_timeout=60,
                    retries={"mode": "standard", "max_attempts": ATTEMPTS},
                    max_pool_connections=16,
                    # S3 checks each object by the checksum that goes with it, so there
                    # is no need to hash it once more for the signature.
                    s3={"payload_signing_enabled": False},
                ),
            )

    def put(
        self, key: str, content: IO[bytes], sha256: str, *, replace: bool = False
    ) -> bool:
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        condition = {"IfNoneMatch": "*"}
        with self._errors():
            # Sent in one call, which costs less than many small ones.
            body = content.getvalue() if isinstance(content, BytesIO) else content
            for attempt in count(1):
                content.seek(0)
                try:
                    self._client.put_object(
                        Bucket=self._bucket,
                        Key=self._prefix + key,
                        Body=body,
                        ChecksumSHA256=checksum,
                        **condition,
                    )
                except ClientError as error:
                    code = error.response["Error"]["Code"]
                    if code == "PreconditionFailed" and attempt < ATTEMPTS:
                        if (found := self.sha256_of(key)) == sha256:
                            return False
                        if found:
                            _replace(key, replace)
                            condition = {}
                        continue
                    # Another run is putting the same object at this moment.
                    if code != "ConditionalRequestConflict" or attempt == ATTEMPTS:
                        raise
                    time.sleep(attempt)
                else:
                    return True
        raise AssertionError

    def read(self, prefix: str, form: re.Pattern[str]) -> Iterator[LandedObject]:
        rights = (
            f"it takes s3:GetObject and s3:ListBucket on {prefix}, which make"
            " cloud-setup grants"
        )
        with self._errors(rights), ThreadPoolExecutor(8) as pool:
            keys = (key for key in self._keys(prefix) if form.fullmatch(key))
            yield from pool.map(self._get, keys)

    def keys(self, prefix: str) -> Iterator[str]:
        with self._errors():
            yield from self._keys(prefix)

    def sha256_of(self, key: str) -> str | None:
        """From the checksum that S3 keeps, if it is one of the whole object."""
        place = {"Bucket": self._bucket, "Key": self._prefix + key}
        with self._errors():
            try:
                head = self._client.head_object(**place, ChecksumMode="ENABLED")
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "404":
                    return None
                if code == "403":
                    raise LandingError(
                        f"{key} in the bucket {self._bucket} cannot be looked at: the"
                        " role or user needs s3:GetObject and s3:ListBucket on events/,"
                        " which make cloud-setup grants"
                    ) from error
                raise
            kept = head.get("ChecksumSHA256", "")
            if kept and "-" not in kept:
                return base64.b64decode(kept).hex()
            digest = hashlib.sha256()
            for chunk in self._client.get_object(**place)["Body"].iter_chunks(PIECE):
                digest.update(chunk)
            return digest.hexdigest()

    def versions(self, prefix: str) -> Iterator[Version]:
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        with self._errors(OF_ERASING):
            for page in pages:
                for entry in page.get("Versions", []):
                    yield Version(
                        entry["Key"].removeprefix(self._prefix),
                        entry["VersionId"],
                        entry["IsLatest"],
                    )

    def content(self, version: Version) -> bytes | None:
        with self._errors(OF_ERASING):
            try:
                answer = self._client.get_object(**self._place(version))
                content: bytes = answer["Body"].read()
                return content
            except ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchVersion"):
                    return None
                raise

    def delete(self, version: Version) -> None:
        with self._errors(OF_ERASING):
            self._client.delete_object(**self._place(version))

    def delete_all(self, key: str) -> None:
        versions = [one for one in self.versions(key) if one.key == key]
        for version in sorted(versions, key=lambda one: one.is_current):
            self.delete(version)

    def locked(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def _place(self, version: Version) -> dict[str, str]:
        return {
            "Bucket": self._bucket,
            "Key": self._prefix + version.key,
            "VersionId": version.version_id or "null",
        }

    def _keys(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        return (
            entry["Key"].removeprefix(self._prefix)
            for page in pages
            for entry in page.get("Contents", [])
        )

    def _get(self, key: str) -> LandedObject:
        answer: dict[str, Any] = self._client.get_object(
            Bucket=self._bucket, Key=self._prefix + key
        )
        return LandedObject(key, answer["Body"].read(), answer["LastModified"])

    @contextlib.contextmanager
    def _errors(self, rights: str = "") -> Iterator[None]:
        """Of an error, the reason; where access is denied, the rights it takes."""
        try:
            yield
        except ClientError as error:
            told = error.response["Error"]
            reason = f"{told.get('Code')}: {told.get('Message')}"
            if rights and told.get("Code") == "AccessDenied":
                reason += f"; {rights}"
            raise LandingError(
                f"the bucket {self._bucket} cannot be used: {reason}"
            ) from error
        except BotoCoreError as error:
            raise LandingError(
                f"the bucket {self._bucket} cannot be used: {error}"
            ) from error
