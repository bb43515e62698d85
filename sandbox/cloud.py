"""AWS and Snowflake side by side: the emulated Snowflake reads the emulated S3.

It signs in to AWS as a user of its own, assumes the role of the storage integration
and so reads what that role may read. Its queue gets a notification of what lands, and
its pipes load it, as often as `deliver_notices` is called.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os.path import commonprefix
from typing import Any
from urllib.parse import unquote_plus

import boto3

from sandbox.aws import REGION, ROOT_KEY, aws
from sandbox.snowflake import emulator, run, stage
from sandbox.snowflake.account import PIPE_QUEUE
from sandbox.snowflake.statements import account_objects
from snowflake_setup.loads import PIPES

SNOWFLAKE_USER = stage.USER_ARN.rpartition("/")[2]
MAY_ASSUME_ANY_ROLE = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
# Like Snowflake's queues: any bucket may notify them of its objects.
ANY_BUCKET_TELLS = {
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": PIPE_QUEUE,
}


@dataclass(frozen=True)
class Cloud:
    """Both accounts, and the variables that lead to them as their administrator."""

    endpoint_url: str
    variables: dict[str, str]

    def client(self, service: str, **keys: str) -> Any:
        """A client of AWS: as root, or with the keys given."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            **keys
            or {"aws_access_key_id": ROOT_KEY, "aws_secret_access_key": ROOT_KEY},
        )

    def allow_plain_http(self, bucket: str) -> None:
        """Drop the policy that refuses connections without TLS, which all here are."""
        self.client("s3").delete_bucket_policy(Bucket=bucket)

    def deliver_notices(self) -> int:
        """Load the objects of which the queue has been told; their number."""
        queue = self.client("sqs")
        url = queue.get_queue_url(QueueName=PIPE_QUEUE.rpartition(":")[2])["QueueUrl"]
        keys = []
        while messages := queue.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10
        ).get("Messages"):
            for message in messages:
                records = json.loads(message["Body"]).get("Records", [])
                keys += [unquote_plus(r["s3"]["object"]["key"]) for r in records]
                queue.delete_message(
                    QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
                )
        pipes = [name.lower() for kind, name in account_objects if kind == "PIPE"]
        refreshes = []
        for table, pipe in PIPES.items():
            names = [f"/{key}".partition(f"/{table}/")[2] for key in keys]
            # One refresh takes half a second: what all names begin with is enough.
            prefix = commonprefix([name for name in names if name])  # noqa: RUF071
            refreshes += [
                f"alter pipe {each} refresh prefix = '{prefix}'"
                for each in pipes
                if each.endswith(f".{pipe}") and any(names)
            ]
        if refreshes:
            run(self.variables, *refreshes)
        return len(keys)


@contextmanager
def cloud() -> Iterator[Cloud]:
    """Serve two empty accounts. Raises RuntimeError or EmulatorError."""
    with aws() as server, emulator() as variables:
        accounts = Cloud(server.endpoint_url, variables | server.environment)
        queue = PIPE_QUEUE.rpartition(":")[2]
        accounts.client("sqs").create_queue(
            QueueName=queue, Attributes={"Policy": _policy(ANY_BUCKET_TELLS)}
        )
        stage.aws_client = stage.client_for(
            server.endpoint_url, *_snowflake_keys(accounts)
        )
        try:
            yield accounts
        finally:
            stage.aws_client = None


def _policy(statement: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _snowflake_keys(accounts: Cloud) -> tuple[str, str]:
    """Keys of Snowflake's user at AWS; it may assume any role that
    trusts it."""
    iam = accounts.client("iam")
    iam.create_user(UserName=SNOWFLAKE_USER)
    iam.put_user_policy(
        UserName=SNOWFLAKE_USER,
        PolicyName="assume",
        PolicyDocument=_policy(MAY_ASSUME_ANY_ROLE),
    )
    key = iam.create_access_key(UserName=SNOWFLAKE_USER)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]
