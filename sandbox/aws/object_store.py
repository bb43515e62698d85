"""A local S3 for tests and trials: SeaweedFS, which checks signatures and checksums.

python -m sandbox.aws.object_store DIR -- make ingest
"""

import argparse
import contextlib
import json
import platform
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.run import run, split_command

ACCESS_KEY = "sandbox-access-key"
SECRET_KEY = "sandbox-secret-access-key"
REGION = "us-east-1"
BUCKET = "sandbox-landing"
START_SECONDS = 60
STOP_SECONDS = 20
# SeaweedFS is several servers in one process; each but the S3 one is only its own.
SERVERS = ("master", "volume", "filer", "s3", "admin")


@dataclass(frozen=True)
class ObjectStore:
    """A running store with one bucket."""

    endpoint_url: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    region: str = REGION
    bucket: str = BUCKET

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which boto3, DuckDB and this project use the store."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_BUCKET": self.bucket,
        }


# Its package has no program for them.
INTEL_MAC = sys.platform == "darwin" and platform.machine() == "x86_64"


@contextlib.contextmanager
def object_store(directory: Path) -> Iterator[ObjectStore]:
    """Run a store on free loopback ports that keeps everything in `directory`.

    The directory is made if missing; a later run on it finds what this one stored.
    SeaweedFS writes its log there, to `weed.log`. Raises RuntimeError if the program
    is not installed or the bucket is not there within a minute.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    ports = _free_ports()
    store = ObjectStore(f"http://127.0.0.1:{ports['s3.port']}")
    command = _command(directory, ports)
    log = directory / "weed.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=directory,
            # Nothing of ours: it would take AWS keys as one more identity.
            env={"HOME": str(directory), "TMPDIR": str(directory)},
            # Ctrl-C is for the command that uses the store; the store goes last.
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_for_bucket(store, process, log)
            yield store
        finally:
            _stop(process, ports)


def _command(directory: Path, ports: Mapping[str, int]) -> list[str]:
    weed = shutil.which("weed", path=sysconfig.get_path("scripts"))
    if weed is None:
        raise RuntimeError("weed is missing: make setup-dev")
    identities = directory / "identities.json"
    identities.write_text(json.dumps(_identities()))
    options = {
        "dir": directory,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "bucket": BUCKET,
        "s3.config": identities,
        "s3.localSocket": directory / "s3.sock",
        "filer.localSocket": directory / "filer.sock",
        # Otherwise it sends statistics to its makers.
        "master.telemetry": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "admin.ui": "false",
        "webdav": "false",
        **ports,
    }
    flags = [f"-{name}={value}" for name, value in options.items()]
    return [weed, "-logtostderr", "mini", *flags]


def _identities() -> dict[str, Any]:
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    return {
        "identities": [
            {"name": "sandbox", "credentials": credentials, "actions": ["Admin"]}
        ]
    }


def _free_ports() -> dict[str, int]:
    names = [f"{server}.{port}" for server in SERVERS for port in ("port", "port.grpc")]
    # All are bound before the first is given back, so that no two are equal.
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in names}
        for each in sockets.values():
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}


def _wait_for_bucket(store: ObjectStore, process: subprocess.Popen, log: Path) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=store.endpoint_url,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        region_name=store.region,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2),
    )
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            client.head_bucket(Bucket=store.bucket)
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
    raise RuntimeError(f"SeaweedFS did not start:\n{log.read_text()[-2000:]}")


def _stop(process: subprocess.Popen, ports: Mapping[str, int]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    # It does not always remove the sockets over which its servers talk.
    for server in SERVERS:
        name = f"seaweedfs-{server}-grpc-{ports[f'{server}.port.grpc']}.sock"
        Path("/tmp", name).unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a store for the time of a command, or until Ctrl-C; return the exit code."""
    options, command = split_command(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.aws.object_store",
        usage="%(prog)s DIR [-- COMMAND ...]",
        description="Run a local S3 that keeps its objects in a directory.",
    )
    parser.add_argument("directory", type=Path, metavar="DIR")
    asked = parser.parse_args(options)
    try:
        with object_store(asked.directory) as store:
            return run(store.environment, command)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
