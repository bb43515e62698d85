"""A local AWS for tests and trials: ministack, with its IAM switched on.

    python -m sandbox.aws [-- COMMAND…]

CloudFormation, IAM, STS, S3 and SQS on one loopback port, in memory. The
root keys have full access; all other keys are subject to IAM policies. It is not AWS.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sandbox.run import run, split_command

START_SECONDS = 60
# The keys that ministack takes for the account's root.
ROOT_KEY = "test"
REGION = "us-east-1"

# What ministack's CloudFormation does not know is added before it starts to serve: the
# identity provider, which its IAM knows. It does not apply a bucket's lifecycle either;
# that is left out here, and the tests read it from the template.
SERVER = """
from ministack.services import iam
from ministack.services.cloudformation import provisioners

def create(logical_id, properties, stack_name):
    url = properties["Url"].removeprefix("https://")
    arn = f"arn:aws:iam::{iam.get_account_id()}:oidc-provider/{url}"
    if arn in iam._oidc_providers:
        raise ValueError(f"Provider with url {properties['Url']} already exists.")
    iam._oidc_providers[arn] = {
        "Url": properties["Url"],
        "ClientIDList": properties.get("ClientIdList", []),
        "ThumbprintList": [],
        "Arn": arn,
        "CreateDate": iam._now(),
        "Tags": [],
    }
    return arn, {"Arn": arn}

provisioners._RESOURCE_HANDLERS["AWS::IAM::OIDCProvider"] = {
    "create": create,
    "update": lambda physical_id, old, new, stack: (physical_id, {"Arn": physical_id}),
    "delete": lambda physical_id, _: iam._oidc_providers.pop(physical_id, None),
}

from ministack.app import main
main()
"""


@dataclass(frozen=True)
class Aws:
    """A running AWS."""

    endpoint_url: str

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which boto3 and this project use it, as root."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }


@contextlib.contextmanager
def aws() -> Iterator[Aws]:
    """Serve a fresh, empty AWS on a free loopback port.

    Raises RuntimeError if it is not there within a minute.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "MINISTACK_", "LOCALSTACK_"))
    }
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        env=environment
        | {
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "LOG_LEVEL": "ERROR",
            "DNS_ENABLED": "0",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is for the command that uses it; it goes last.
        start_new_session=True,
    )
    try:
        _wait(process, port)
        yield Aws(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(process: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            url = f"http://127.0.0.1:{port}/_ministack/health"
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("The emulated AWS did not start.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve for the time of a command, or until Ctrl-C; return the exit code."""
    options, command = split_command(sys.argv[1:] if arguments is None else arguments)
    argparse.ArgumentParser(
        prog="python -m sandbox.aws",
        usage="%(prog)s [-- COMMAND ...]",
        description="Run a local AWS, in memory.",
    ).parse_args(options)
    try:
        with aws() as server:
            return run(server.environment, command)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
