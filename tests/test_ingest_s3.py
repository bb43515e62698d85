"""The ingest into S3, on a server that checks signatures and checksums."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import boto3
import pytest

from sandbox.aws.object_store import INTEL_MAC, ObjectStore, object_store

pytestmark = [
    pytest.mark.xdist_group("object_store"),
    pytest.mark.skipif(INTEL_MAC, reason="SeaweedFS has no wheel for Intel Macs"),
]

DAY = ("--start", "2026-01-14", "--end", "2026-01-14")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture(scope="module")
def client(store: ObjectStore):
    return boto3.client(
        "s3",
        endpoint_url=store.endpoint_url,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        region_name=store.region,
    )


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A place of its own in the bucket for each test."""
    return request.node.name.replace("[", "-").rstrip("]")


@pytest.fixture
def ingest_to_s3(ingest: Callable, store: ObjectStore, prefix: str) -> Callable:
    def run(*arguments: str, **settings: str):
        landing = {"LANDING": f"s3://{store.bucket}/{prefix}/"}
        return ingest(*arguments, **(store.environment | landing | settings))

    return run


def objects(client, store: ObjectStore, prefix: str) -> dict[str, bytes]:
    """The contents of all objects below the prefix, by key."""
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=store.bucket, Prefix=f"{prefix}/"
    )
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {
        key.removeprefix(f"{prefix}/"): client.get_object(Bucket=store.bucket, Key=key)[
            "Body"
        ].read()
        for key in keys
    }


def test_s3_holds_the_same_objects_as_a_folder(
    ingest, ingest_to_s3, landing, client, store, prefix
):
    assert ingest(*DAY).returncode == 0
    run = ingest_to_s3(*DAY)
    assert run.returncode == 0, run.stderr
    found = objects(client, store, prefix)
    events = {key: body for key, body in found.items() if key.startswith("events/")}
    assert events == {
        path.relative_to(landing).as_posix(): path.read_bytes()
        for path in landing.glob("events/*/*/*/*")
    }
    lines = [
        json.loads(line)
        for key in found.keys() - events.keys()
        for line in found[key].splitlines()
    ]
    assert len(lines) == 24
    assert {file["key"] for line in lines for file in line["files"]} == events.keys()


def test_asks_for_nothing_twice(ingest_to_s3, client, store, prefix, api):
    ingest_to_s3(*DAY)
    before = objects(client, store, prefix)
    assert ingest_to_s3(*DAY).returncode == 0
    assert len(api.requests) == 1
    assert objects(client, store, prefix) == before


def test_overwrites_no_object(ingest_to_s3, client, store, prefix):
    ingest_to_s3(*DAY)
    events = f"{prefix}/events/"

    def changed() -> dict[str, Any]:
        listed = client.list_objects_v2(Bucket=store.bucket, Prefix=events)
        return {entry["Key"]: entry["LastModified"] for entry in listed["Contents"]}

    before = changed()
    assert ingest_to_s3(*DAY, "--force").returncode == 0
    assert changed() == before


def spoil(client, store: ObjectStore, prefix: str) -> tuple[str, str, str]:
    """Overwrite a landed object, truncate another, delete a third; their keys."""
    found = objects(client, store, prefix)
    overwritten, truncated, deleted = sorted(
        key for key in found if key.startswith("events/")
    )[:9:4]  # of different hours
    put = partial(client.put_object, Bucket=store.bucket)
    put(Key=f"{prefix}/{overwritten}", Body=b"something else")
    put(Key=f"{prefix}/{truncated}", Body=found[truncated][:-100])
    client.delete_object(Bucket=store.bucket, Key=f"{prefix}/{deleted}")
    return overwritten, truncated, deleted


@pytest.mark.parametrize("how", ["--force", "--repair"])
def test_damaged_objects_are_found_and_replaced(
    ingest_to_s3, client, store, prefix, how
):
    assert ingest_to_s3(*DAY).returncode == 0
    whole = objects(client, store, prefix)
    events = [key for key in whole if key.startswith("events/")]
    check = ingest_to_s3("--ledger", "--verify", *DAY)
    assert check.returncode == 0, check.stderr
    count = len(events)
    assert f"checked {count} files: {count} whole, 0 damaged, 0 missing" in check.stdout

    overwritten, truncated, deleted = spoil(client, store, prefix)
    check = ingest_to_s3("--ledger", "--verify")
    assert check.returncode == 1
    for line in (
        f"damaged: {overwritten}",
        f"damaged: {truncated}",
        f"missing: {deleted}",
        f"checked {count} files: {count - 3} whole, 2 damaged, 1 missing",
    ):
        assert line in check.stdout.splitlines()
    # Without that option nothing is replaced.
    assert ingest_to_s3(*DAY).returncode == 0

    run = ingest_to_s3(*DAY, how)
    assert run.returncode == 0, run.stderr
    assert f"{overwritten} was damaged: replaced" in run.stderr
    assert f"{truncated} was damaged: replaced" in run.stderr
    found = objects(client, store, prefix)
    assert {key: found[key] for key in events} == {key: whole[key] for key in events}
    assert ingest_to_s3("--verify").returncode == 0


def test_a_run_that_meets_a_damaged_object_leaves_it_and_its_hour_open(
    ingest_to_s3, client, store, prefix
):
    assert ingest_to_s3(*DAY).returncode == 0
    overwritten, truncated, _ = spoil(client, store, prefix)
    for key in objects(client, store, prefix):
        if key.startswith("ledger/"):
            client.delete_object(Bucket=store.bucket, Key=f"{prefix}/{key}")
    before = objects(client, store, prefix)
    run = ingest_to_s3(*DAY)
    assert run.returncode == 1
    for key in (overwritten, truncated):
        assert f"{key} in the landing is damaged" in run.stderr
    assert "make ingest ARGS=--repair" in run.stderr
    assert before.items() <= objects(client, store, prefix).items()


def test_an_object_that_keeps_no_sha256_is_read(ingest_to_s3, client, store, prefix):
    assert ingest_to_s3(*DAY).returncode == 0
    key, content = next(
        (key, content)
        for key, content in objects(client, store, prefix).items()
        if key.startswith("events/")
    )
    client.put_object(Bucket=store.bucket, Key=f"{prefix}/{key}", Body=content)
    assert ingest_to_s3("--verify").returncode == 0
    assert ingest_to_s3(*DAY, "--force").returncode == 0
    client.put_object(Bucket=store.bucket, Key=f"{prefix}/{key}", Body=b"x" + content)
    assert ingest_to_s3("--verify").returncode == 1


def test_an_object_that_is_not_the_ingests_is_ignored(
    ingest_to_s3, client, store, prefix
):
    assert ingest_to_s3(*DAY).returncode == 0
    day = f"{prefix}/ledger/100500123/2026-01-14/"
    for key in (
        f"{prefix}/ledger/",
        f"{prefix}/ledger/notes.txt",
        f"{prefix}/ledger/notes.json",
        f"{prefix}/ledger/100500123/notes.json",
        day,
        f"{day}copy of a file.json",
        f"{day}notes.json.gz",
        f"{prefix}/limits/{'0' * 16}/notes.txt",
    ):
        client.put_object(Bucket=store.bucket, Key=key, Body=b"\x1f\x8bnot a ledger")
    run = ingest_to_s3(*DAY)
    assert run.returncode == 0, run.stderr
    assert "0 hours to request" in run.stderr


def test_the_next_run_completes_open_hours(ingest_to_s3, client, store, prefix, api):
    api.faults.add("bad_gzip", hours=["20260114T10"], times=None)
    assert ingest_to_s3(*DAY).returncode == 1
    before = objects(client, store, prefix)
    api.faults.replace([])
    assert ingest_to_s3(*DAY).returncode == 0
    after = objects(client, store, prefix)
    assert before.items() < after.items()
    added = after.keys() - before.keys()
    assert {key.split("/")[0] for key in added} == {"events", "ledger"}


def test_takes_credentials_under_either_name(ingest_to_s3, store):
    settings = {"AWS_ACCESS_KEY": store.access_key, "AWS_SECRET_KEY": store.secret_key}
    run = ingest_to_s3(*DAY, **settings, **dict.fromkeys(KEYS, "wrong"))
    assert run.returncode == 0, run.stderr


def test_lands_in_the_bucket_of_the_settings(ingest, store, client):
    run = ingest(*DAY, **store.environment, LANDING="")
    assert run.returncode == 0, run.stderr
    listed = client.list_objects_v2(Bucket=store.bucket, Prefix="ledger/100500123/")
    assert listed["KeyCount"] == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"LANDING": "s3://no-such-bucket/prefix"}, "NoSuchBucket"),
        ({"AWS_SECRET_ACCESS_KEY": "a-wrong-secret"}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "unknown"}, "InvalidAccessKeyId"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "Could not connect"),
        (dict.fromkeys(KEYS, ""), "redentials"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_says_why_the_bucket_cannot_be_used(
    ingest_to_s3, tmp_path, settings, reason, api
):
    elsewhere = {
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    run = ingest_to_s3(*DAY, **elsewhere, **settings)
    assert run.returncode == 5, run.stderr
    assert "cannot be used" in run.stderr
    assert reason in run.stderr
    assert "Traceback" not in run.stderr
    assert "a-wrong-secret" not in run.stderr
    assert api.requests == []
    shutil.rmtree(tmp_path / "logs")


class BusyStore(BaseHTTPRequestHandler):
    """An empty S3 that refuses so many uploads with SlowDown, and keeps none."""

    protocol_version = "HTTP/1.1"
    lock = Lock()
    refusals_left = 0
    uploads = 0

    def do_GET(self) -> None:
        self.answer(200, "<ListBucketResult/>")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            is_refused = BusyStore.refusals_left > 0
            BusyStore.refusals_left -= is_refused
            BusyStore.uploads += not is_refused
        if is_refused:
            self.answer(503, "<Error><Code>SlowDown</Code></Error>")
        else:
            self.answer(200, "")

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("refusals", "code"), [(3, 0), (10_000, 5)])
def test_a_store_that_is_busy_is_asked_again(ingest_to_s3, refusals, code):
    BusyStore.refusals_left, BusyStore.uploads = refusals, 0
    with ThreadingHTTPServer(("127.0.0.1", 0), BusyStore) as server:
        Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        run = ingest_to_s3(*DAY, AWS_ENDPOINT_URL_S3=url)
        server.shutdown()
    assert run.returncode == code, run.stderr
    assert ("SlowDown" in run.stderr) == bool(code)
    # 29 files and the day's line of the ledger
    assert BusyStore.uploads == (0 if code else 30)


class LockedStore(BusyStore):
    """An empty S3 whose bucket has Object Lock: an upload without a checksum of its
    content is refused, and so is every upload to what a lock protects."""

    is_protected = False

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        names = {name.lower() for name in self.headers}
        if not names & {"content-md5", "x-amz-checksum-sha256", "x-amz-checksum-crc32"}:
            text = "Content-MD5 OR x-amz-checksum- HTTP header is required"
            self.answer(400, f"<Error><Code>InvalidRequest</Code><Message>{text}")
        elif LockedStore.is_protected:
            text = "Access Denied because object protected by object lock."
            error = f"<Error><Code>AccessDenied</Code><Message>{text}</Message></Error>"
            self.answer(403, error)
        else:
            with self.lock:
                BusyStore.uploads += 1
            self.answer(200, "")


@pytest.mark.parametrize("is_protected", [False, True])
def test_a_bucket_with_object_lock(ingest_to_s3, is_protected):
    LockedStore.is_protected, BusyStore.uploads = is_protected, 0
    with ThreadingHTTPServer(("127.0.0.1", 0), LockedStore) as server:
        Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        run = ingest_to_s3(*DAY, AWS_ENDPOINT_URL_S3=url)
        server.shutdown()
    assert run.returncode == (5 if is_protected else 0), run.stderr
    assert ("protected by object lock" in run.stderr) == is_protected
    assert "Traceback" not in run.stderr
    assert BusyStore.uploads == (0 if is_protected else 30)


def test_erases_every_version_of_what_a_person_has_sent(
    ingest_to_s3, client, store, prefix, tmp_path
):
    bucket = "versioned"
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(
        Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    landing = {"LANDING": f"s3://{bucket}/{prefix}"}
    assert ingest_to_s3(*DAY, **landing).returncode == 0

    def versions() -> list[tuple[str, bool, bytes]]:
        pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket)
        return [
            (
                one["Key"].removeprefix(f"{prefix}/"),
                one["IsLatest"],
                gzip.decompress(
                    client.get_object(
                        Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"]
                    )["Body"].read()
                ),
            )
            for page in pages
            for one in page.get("Versions", [])
            if one["Key"].endswith(".gz")
        ]

    before = versions()
    text = b"".join(content for _, _, content in before)
    [(person, _)] = Counter(re.findall(rb'"user_id":"([^"]+)"', text)).most_common(1)
    [amplitude_id] = set(
        re.findall(rb'"amplitude_id":(\d+),.*"user_id":"' + person, text)
    )
    files = [(key, content) for key, _, content in before if person in content]
    # One was overwritten with the same and then deleted; of another is an older version
    # that was damaged, and one that was deleted has nothing of the person.
    put = partial(client.put_object, Bucket=bucket)
    (first, _), (second, content), *_ = files
    [third, *_] = [key for key, _, content in before if person not in content]
    put(Key=f"{prefix}/{second}", Body=gzip.compress(content))
    put(Key=f"{prefix}/{second}", Body=gzip.compress(content, mtime=0))
    client.delete_object(Bucket=bucket, Key=f"{prefix}/{first}")
    client.delete_object(Bucket=bucket, Key=f"{prefix}/{third}")

    def erase(**more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "ingest.erase", "--confirm"],
            env=os.environ
            | store.environment
            | landing
            | {
                "PYTHONPATH": str(Path(__file__).parents[1]),
                "ERASURE_SALT": "s" * 32,
                "USER_IDS": person.decode(),
            }
            | more,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    run = erase()
    # The second file is not what its name says: that is for the ingest to repair.
    assert run.returncode == 1 and f"{second} is damaged" in run.stderr, run.stderr
    ingest = partial(ingest_to_s3, *DAY, ERASURE_SALT="s" * 32, **landing)
    assert ingest("--repair").returncode == 0
    run = erase()
    assert run.returncode == 0, run.stderr
    after = versions()
    assert not any(person in content for _, _, content in after)
    assert not any(key in (first, second) for key, _, _ in after)

    def others(found: list[tuple[str, bool, bytes]]) -> Counter[bytes]:
        current = [content for _, is_latest, content in found if is_latest]
        return Counter(b"".join(current).splitlines())

    assert others(after) == Counter(
        {
            line: n
            for line, n in others(before).items()
            if person not in line and amplitude_id not in line
        }
    )
    check = ingest("--verify")
    assert check.returncode == 0, check.stdout


def test_who_may_not_erase_is_told_what_it_takes(store, prefix, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), RefusingStore) as server:
        Thread(target=server.serve_forever).start()
        run = subprocess.run(
            [sys.executable, "-m", "ingest.erase", "--confirm"],
            env=os.environ
            | store.environment
            | {
                "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.server_port}",
                "LANDING": f"s3://{store.bucket}/{prefix}",
                "PYTHONPATH": str(Path(__file__).parents[1]),
                "ERASURE_SALT": "s" * 32,
                "USER_IDS": "jane@acme.example",
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        server.shutdown()
    assert run.returncode == 5 and "s3:DeleteObjectVersion" in run.stderr
    assert "jane@" not in run.stderr + run.stdout


class RefusingStore(BusyStore):
    """An S3 that lists nothing, and refuses to list versions."""

    def do_GET(self) -> None:
        if "versions" in self.path:
            self.answer(403, "<Error><Code>AccessDenied</Code></Error>")
        else:
            super().do_GET()
