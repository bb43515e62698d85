"""make cloud-teardown, on emulated accounts of AWS and Snowflake."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore.exceptions import ClientError
from commands import Finished, snowflake_setup

from sandbox.cloud import ANY_BUCKET_TELLS, Cloud, cloud
from sandbox.snowflake import run, without_account
from snowflake_setup.session import Session, SnowflakeError

pytestmark = [
    pytest.mark.xdist_group("teardown"),
    pytest.mark.filterwarnings("ignore:Arrow output on a DB-API"),
]

BUCKET = "cloud-landing"
FOREIGN_QUEUE = "arn:aws:sqs:us-east-1:000000000000:sf-snowpipe-others"


@dataclass
class Accounts:
    """Two accounts that make cloud-setup has set up, with some data in them."""

    cloud: Cloud
    environment: dict[str, str]

    def teardown(self, *arguments: str, **changes: str) -> Finished:
        environment = self.environment | changes
        return snowflake_setup(environment, "cloud-teardown", *arguments)

    def removed(self, *arguments: str) -> list[str]:
        """What it says that it has removed."""
        finished = self.teardown(*arguments, "--confirm")
        assert finished.returncode == 0, finished.stderr
        return [
            line.partition(" removed ")[2]
            for line in finished.stdout.splitlines()
            if " removed " in line
        ]

    def has(self, kind: str, name: str) -> bool:
        rows = run(self.cloud.variables, f"show {kind}s like '{name}'")
        return bool(rows)

    def roles(self) -> list[str]:
        roles = self.cloud.client("iam").list_roles()["Roles"]
        return [role["RoleName"] for role in roles]

    def has_bucket(self) -> bool:
        try:
            self.cloud.client("s3").head_bucket(Bucket=BUCKET)
        except ClientError:
            return False
        return True

    def files(self) -> int:
        """All versions of all objects, and what marks them as deleted."""
        found = self.cloud.client("s3").list_object_versions(Bucket=BUCKET)
        return len(found.get("Versions", [])) + len(found.get("DeleteMarkers", []))


@pytest.fixture
def accounts() -> Iterator[Accounts]:
    with cloud() as emulated:
        environment = {
            **without_account(),
            **emulated.variables,
            "LANDING": f"s3://{BUCKET}/amplitude",
            "GITHUB_SUBJECT": "repo:owner@1/name@2:ref:refs/heads/main",
        }
        finished = snowflake_setup(environment, "cloud-setup")
        assert finished.returncode == 0, finished.stderr
        emulated.allow_plain_http(BUCKET)
        s3 = emulated.client("s3")
        key = "amplitude/events/7/2026-01-12/05/0-00000000000000aa.json"
        for content in (b"{}\n", b"{}\n{}\n"):
            s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        s3.delete_object(Bucket=BUCKET, Key=key)
        run(
            emulated.variables,
            "insert into raw.amplitude.ledger (filename) values ('one'), ('two')",
            "create table analytics.amplitude.amplitude__users (id int)",
        )
        yield Accounts(emulated, environment)


OF_SNOWFLAKE = [
    "pipe raw.amplitude.event_lines_pipe",
    "pipe raw.amplitude.ledger_pipe",
    "user amplitude_ci",
    "warehouse transforming",
    "warehouse developing",
    "resource monitor amplitude_warehouse",
    "integration amplitude_landing",
]
ROLES = ["role loader", "role transformer", "role reader", "role setup"]


def test_nothing_with_data_goes_unless_it_is_named(accounts):
    asked = accounts.teardown()
    assert asked.returncode == 0, asked.stderr
    for what in OF_SNOWFLAKE:
        assert f"would remove {what}\n" in asked.stdout
    assert "raw.amplitude holds 2 tables, 2 rows" in asked.stdout
    assert f"{BUCKET} holds 3 files of the landing and 0 other ones" in asked.stdout
    assert "nothing has been removed" in asked.stdout
    refused = accounts.teardown("--confirm", "--delete", "snowflake")
    assert refused.returncode == 2
    assert f"it can name analytics, raw, {BUCKET}" in refused.stderr
    assert accounts.has("warehouse", "transforming") and len(accounts.roles()) == 2

    first, *others = accounts.removed()
    assert first.startswith("the stack amplitude-landing")
    assert others == OF_SNOWFLAKE
    assert not accounts.roles()
    assert not accounts.has("warehouse", "transforming")
    rows = "select count(*) from raw.amplitude.ledger"
    assert run(accounts.cloud.variables, rows) == [(2,)]
    assert accounts.has("role", "transformer") and accounts.files() == 3

    assert accounts.removed() == [], "a second run finds nothing to do"


def test_named_objects_are_deleted_with_their_contents(accounts, monkeypatch):
    named = "--delete", f"raw,{BUCKET}"
    asked = accounts.teardown(*named)
    assert "would remove database raw\n" in asked.stdout
    assert f"would remove bucket {BUCKET}\n" in asked.stdout
    assert "DELETE=analytics removes it too" in asked.stdout
    assert accounts.has_bucket()

    # The connection is lost on the way; the next run goes on from there.
    ask = Session.rows

    def lose(self, sql):
        if sql.startswith("drop integration"):
            raise SnowflakeError("planted")
        return ask(self, sql)

    with monkeypatch.context() as patched:
        patched.setattr(Session, "rows", lose)
        assert accounts.teardown(*named, "--confirm").returncode == 3
    assert accounts.removed(*named) == [
        "integration amplitude_landing",
        "database raw",
        f"bucket {BUCKET}",
    ]
    assert not accounts.has_bucket()
    assert accounts.has("database", "analytics") and accounts.has("role", "setup")
    assert accounts.removed("--delete", "analytics") == ["database analytics", *ROLES]
    last = accounts.teardown("--confirm", "--delete", "analytics", "raw", BUCKET)
    assert last.returncode == 0 and " removed " not in last.stdout
    assert "nothing to remove: role setup does not exist" in last.stdout


def test_objects_of_others_stay(accounts):
    s3 = accounts.cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key="others/report.csv", Body=b"1\n")
    allowed = {**ANY_BUCKET_TELLS, "Resource": FOREIGN_QUEUE}
    accounts.cloud.client("sqs").create_queue(
        QueueName=FOREIGN_QUEUE.rpartition(":")[2],
        Attributes={"Policy": json.dumps({"Statement": [allowed]})},
    )
    found = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    ours = found["QueueConfigurations"]
    theirs = {"QueueArn": FOREIGN_QUEUE, "Events": ["s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={"QueueConfigurations": [*ours, theirs]},
    )
    run(accounts.cloud.variables, "grant ownership on database raw to role others")
    finished = accounts.teardown("--confirm", "--delete", "raw", BUCKET)
    assert finished.returncode == 0, finished.stderr
    assert "delete the other files first" in finished.stdout
    assert "database raw stays: it belongs to the role others" in finished.stdout
    assert accounts.has_bucket() and accounts.files() == 4
    assert accounts.has("database", "raw") and accounts.has("role", "setup")
    left = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    [kept] = left["QueueConfigurations"]
    assert kept["QueueArn"] == FOREIGN_QUEUE


def test_a_missing_bucket_does_not_stop_it(accounts):
    s3 = accounts.cloud.client("s3")
    for version in s3.list_object_versions(Bucket=BUCKET)["Versions"]:
        named = {name: version[name] for name in ("Key", "VersionId")}
        s3.delete_object(Bucket=BUCKET, **named)
    for marker in s3.list_object_versions(Bucket=BUCKET).get("DeleteMarkers", []):
        named = {name: marker[name] for name in ("Key", "VersionId")}
        s3.delete_object(Bucket=BUCKET, **named)
    s3.delete_bucket(Bucket=BUCKET)
    assert accounts.removed()[1:] == OF_SNOWFLAKE
    assert not accounts.roles()
