"""Other ways to bring a day from the Export API to S3, to compare the ingest with.

`plain` is a straightforward script; `floor` moves the same bytes and checks
none of them; `download` only reads. Settings are those of the ingest, and
`PREFIX` for the keys.
"""

import gzip
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from zipfile import ZipFile

import boto3
import requests

CHUNK = 256 << 10
OBJECT = 4 << 20
UPLOADS_AT_ONCE = 4


def get(stream: bool) -> requests.Response:
    """Ask for the day that the benchmark's export holds."""
    answer = requests.get(
        os.environ["AMP_EXPORT_URL"],
        params={"start": "20260101T00", "end": "20260101T23"},
        auth=(os.environ["AMP_API_KEY"], os.environ["AMP_SECRET_KEY"]),
        timeout=300,
        stream=stream,
    )
    answer.raise_for_status()
    return answer


def plain() -> None:
    """The whole body in memory, to disk, unzip, gunzip, upload each file in turn."""
    s3 = boto3.client("s3")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = folder / "export.zip"
        archive.write_bytes(get(stream=False).content)
        with ZipFile(archive) as opened:
            opened.extractall(folder)
        for path in sorted(folder.rglob("*.json.gz")):
            inflated = path.with_suffix("")
            with gzip.open(path) as source, inflated.open("wb") as target:
                shutil.copyfileobj(source, target)
            key = f"{os.environ['PREFIX']}/{inflated.name}"
            s3.upload_file(inflated, os.environ["AWS_BUCKET"], key)


def floor() -> None:
    """Upload the body as it comes, in objects about as large as the export's files."""
    s3 = boto3.client("s3")
    room = Semaphore(2 * UPLOADS_AT_ONCE)

    def upload(number: int, body: bytes) -> None:
        key = f"{os.environ['PREFIX']}/{number}"
        s3.put_object(Bucket=os.environ["AWS_BUCKET"], Key=key, Body=body)
        room.release()

    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        uploads = []
        for number, body in enumerate(objects()):
            room.acquire()
            uploads.append(pool.submit(upload, number, body))
        for each in uploads:
            each.result()


def objects() -> Iterator[bytes]:
    waiting = bytearray()
    for chunk in get(stream=True).iter_content(CHUNK):
        waiting += chunk
        if len(waiting) >= OBJECT:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def download() -> None:
    """Read the body and discard it."""
    for _ in get(stream=True).iter_content(CHUNK):
        pass


WAYS = {way.__name__: way for way in (plain, floor, download)}

if __name__ == "__main__":
    WAYS[sys.argv[1]]()
