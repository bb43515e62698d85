"""A bucket as a landing."""

import base64
import contextlib
import hashlib
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import count
from typing import IO, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ingest.landing.store import (
    PIECE,
    LandedObject,
    LandingError,
    Place,
    Version,
    report_replacement,
)

ATTEMPTS = 5
# Neither the ingest nor Snowflake has these (snowflake_setup/aws/landing.yml).
OF_ERASING = (
    "to erase takes s3:ListBucket, s3:ListBucketVersions, s3:GetObject,"
    " s3:GetObjectVersion, s3:PutObject, s3:DeleteObject and s3:DeleteObjectVersion:"
    " run it with your own credentials, not with those of the workflow"
)


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
                            report_replacement(key, replace)
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
                        f"{key} in the bucket {self._bucket} cannot be read: the"
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
        """The reason of an error and, if access is denied, the missing rights."""
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
