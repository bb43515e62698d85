"""How the Snowflake emulator reads a stage: a folder, or a bucket of the emulated AWS.

A bucket is read as Snowflake reads one: as a user of its own that assumes the role of
the storage integration with the external id, and with that role's rights alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from snowflake.connector.errors import ProgrammingError

USER_ARN = "arn:aws:iam::000000000000:user/snowflake-emulated"
EXTERNAL_ID = "EMULATED_SFCRole=0"

# Set by sandbox.cloud: gives a client that is Snowflake's user, for a service of AWS.
aws_client: Callable[[str, dict], Any] | None = None
# Gives the ARN of the role that the integration of a URL names.
role_arn_of: Callable[[str], str] | None = None


def open_stage(url: str) -> tuple[Path, str]:
    """A folder that holds the stage's files, and where in it the stage's URL points.

    Raises ProgrammingError, as Snowflake does, if the bucket cannot be read.
    """
    if url.startswith("file://"):
        return Path(unquote(url.removeprefix("file://"))), ""
    if not (aws_client and role_arn_of and url.startswith("s3://")):
        message = f"The emulator reads stages on file:// only, not {url}."
        raise ProgrammingError(msg=message, errno=2, sqlstate="0A000")
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    root = Path(mkdtemp(prefix="stage-"))
    try:
        assumed = aws_client("sts", {}).assume_role(
            RoleArn=role_arn_of(url),
            RoleSessionName="snowflake",
            ExternalId=EXTERNAL_ID,
        )["Credentials"]
        s3 = aws_client("s3", assumed)
        for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix
        ):
            for entry in page.get("Contents", []):
                if "/limits/" in f"/{entry['Key']}":
                    continue  # Snowflake lists it, too, and no pipe reads it
                file = root / entry["Key"]
                file.parent.mkdir(parents=True, exist_ok=True)
                body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                file.write_bytes(body)
                landed = entry["LastModified"].timestamp()
                os.utime(file, (landed, landed))
    except (ClientError, BotoCoreError) as error:
        message = f"Error assuming AWS_ROLE or reading {url}: {error}"
        raise ProgrammingError(msg=message, errno=3167, sqlstate="42601") from None
    return root, prefix


def client_for(endpoint: str, access_key: str, secret_key: str) -> Callable:
    """Clients of an emulated AWS, as its user with these keys or an assumed role."""

    def client(service: str, assumed: dict) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=assumed.get("AccessKeyId", access_key),
            aws_secret_access_key=assumed.get("SecretAccessKey", secret_key),
            aws_session_token=assumed.get("SessionToken"),
        )

    return client
