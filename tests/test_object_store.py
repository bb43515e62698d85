"""The local S3, through boto3: it refuses what Amazon's S3 refuses."""

import base64
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from sandbox.aws.object_store import INTEL_MAC, ObjectStore, object_store

pytestmark = [
    pytest.mark.xdist_group("object_store"),
    pytest.mark.skipif(INTEL_MAC, reason="SeaweedFS has no wheel for Intel Macs"),
]

ROOT = Path(__file__).parents[1]
BODY = b'{"event_type": "click"}\n' * 1000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as running:
        yield running


def client(store: ObjectStore, secret_key: str | None = None) -> BaseClient:
    return boto3.client(
        "s3",
        endpoint_url=store.endpoint_url,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=secret_key or store.secret_key,
        region_name=store.region,
    )


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def status(error: pytest.ExceptionInfo[ClientError]) -> int:
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_an_object_with_its_checksum_is_stored_listed_and_read(store):
    key = "events/1/2026-01-12/10/0-ab.json.gz"
    s3 = client(store)
    s3.put_object(Bucket=store.bucket, Key=key, Body=BODY, ChecksumSHA256=sha256(BODY))
    listed = s3.list_objects_v2(Bucket=store.bucket, Prefix="events/1/")
    assert [(each["Key"], each["Size"]) for each in listed["Contents"]] == [
        (key, len(BODY))
    ]
    assert s3.get_object(Bucket=store.bucket, Key=key)["Body"].read() == BODY


def test_a_wrong_checksum_is_refused(store):
    with pytest.raises(ClientError) as error:
        client(store).put_object(
            Bucket=store.bucket,
            Key="wrong",
            Body=BODY,
            ChecksumSHA256=sha256(b"something else"),
        )
    assert status(error) == 400
    assert "Contents" not in client(store).list_objects_v2(
        Bucket=store.bucket, Prefix="wrong"
    )


def test_an_object_is_not_overwritten_where_none_may_match(store):
    s3 = client(store)
    put = {"Bucket": store.bucket, "Key": "once", "IfNoneMatch": "*"}
    s3.put_object(Body=b"first", **put)
    with pytest.raises(ClientError) as error:
        s3.put_object(Body=b"second", **put)
    assert status(error) == 412
    stored = s3.get_object(Bucket=store.bucket, Key="once")
    assert stored["Body"].read() == b"first"


def test_a_wrong_secret_is_refused(store):
    with pytest.raises(ClientError) as error:
        client(store, "wrong").put_object(Bucket=store.bucket, Key="k", Body=b"")
    assert status(error) == 403


def test_a_command_runs_with_the_settings_and_the_objects_stay(tmp_path):
    code = (
        "import boto3, os, sys;"
        "s3 = boto3.client('s3');"
        "bucket = os.environ['AWS_BUCKET'];"
        "found = s3.list_objects_v2(Bucket=bucket)['KeyCount'];"
        "s3.put_object(Bucket=bucket, Key='k', Body=b'v');"
        "sys.exit(3 + found)"
    )
    store = [sys.executable, "-m", "sandbox.aws.object_store", str(tmp_path)]
    command = [*store, "--", sys.executable, "-c", code]
    # Other AWS settings of the person who runs the tests must not matter.
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "x", "AWS_REGION": "eu-west-1"}
    codes = [
        subprocess.run(
            command, cwd=ROOT, env=environment, timeout=60, check=False
        ).returncode
        for _ in range(2)
    ]
    assert codes == [3, 4]
