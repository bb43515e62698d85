"""make cloud-setup and make doctor, on emulated accounts of AWS and Snowflake."""

import base64
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import botocore.client
import pytest
from botocore.exceptions import ClientError
from commands import Finished, doctors_findings, snowflake_setup
from snowflake.connector.errors import DatabaseError, ProgrammingError

from sandbox.amplitude.export_api import serve
from sandbox.cloud import Cloud, cloud
from sandbox.snowflake import account, run, stage, without_account
from snowflake_setup import stack as stack_module
from snowflake_setup.session import Session
from snowflake_setup.settings import CloudSettings
from snowflake_setup.stack import AwsError, Stack

pytestmark = [
    pytest.mark.xdist_group("emulator"),
    pytest.mark.filterwarnings("ignore:Arrow output on a DB-API"),
]

SUBJECT = "repo:owner@1/name@2:ref:refs/heads/main"
BUCKET, PREFIX = "cloud-landing", "amplitude/"
STACK = "amplitude-landing"
READING = ("Get", "List", "Head", "Describe", "Simulate")


DBT = ("variables and models", "dbt")


@dataclass
class World:
    """Two accounts that were set up, and what was said when they were."""

    cloud: Cloud
    environment: dict[str, str]
    said: list[Finished]
    refused: Finished | None = None

    def run(self, *arguments: str, **changes: str) -> Finished:
        environment = self.environment | changes
        if arguments == ("doctor",):
            return doctors_findings(environment)
        return snowflake_setup(environment, *arguments)

    def doctor(self, *, with_dbt: bool = False, **changes: str) -> "Examined":
        """What the doctor says.

        dbt takes seconds to start: it is asked only if it is to find something.
        """
        checks = {} if with_dbt else dict.fromkeys(DBT, lambda context: "not asked")
        with patch.dict("doctor.cloud.CHECKS", checks):
            finished = self.run("doctor", **changes)
        found = Examined({}, {}, finished.stdout)
        for line in finished.stdout.splitlines():
            if line.startswith("FAIL "):
                link, _, message = line.removeprefix("FAIL").strip().partition(": ")
                found.wrong[link] = message
            elif line.strip().startswith("fix: "):
                fix = line.strip().removeprefix("fix: ")
                found.fixes.setdefault(link, []).append(fix)
        assert finished.returncode == (1 if found.wrong else 0), finished.stdout
        assert found.wrong.keys() == found.fixes.keys(), finished.stdout
        assert "unexpected" not in finished.stdout, finished.stdout
        return found

    def fix(self, command: str) -> None:
        """Run a command that the doctor has given, whichever tool it is for."""
        if command.startswith("make "):
            target, *flags = shlex.split(command)[1:]
            waits = ["--pause=0.1", "--timeout=1"] if target == "load-missing" else []
            words = {"AGAIN=1": "--again"}
            finished = self.run(target, *waits, *(words[flag] for flag in flags))
            assert finished.returncode == 0, finished.stdout + finished.stderr
        elif command.startswith("aws "):
            _, service, action, *options = shlex.split(command)
            client = self.cloud.client(service.removesuffix("api"))
            call = getattr(client, action.replace("-", "_"))
            call(
                **{
                    name.removeprefix("--").title().replace("-", ""): (
                        json.loads(value)
                        if value.startswith("{") and not name.endswith(TEXTS)
                        else value
                    )
                    for name, value in zip(options[::2], options[1::2], strict=True)
                }
            )
        else:
            run(self.cloud.variables, command)


TEXTS = ("policy", "document")


@dataclass
class Examined:
    """What the doctor found: messages and fixes by link, and all that it printed."""

    wrong: dict[str, str]
    fixes: dict[str, list[str]]
    said: str


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Two empty accounts, set up by make cloud-setup alone, failing on its way."""
    with cloud() as accounts, serve() as api:
        environment = {
            **without_account(),
            **accounts.variables,
            **api.environment,
            "LANDING": f"s3://{BUCKET}/{PREFIX}",
            "GITHUB_SUBJECT": SUBJECT,
        }
        world = World(accounts, environment, [])
        # As if another team had a warehouse and a role of these names.
        run(
            accounts.variables,
            "create warehouse transforming",
            "create role transformer",
        )
        role_arn = "arn:aws:iam::000000000000:role/any"
        world.refused = world.run("deploy", SNOWFLAKE_AWS_ROLE_ARN=role_arn)
        run(accounts.variables, "drop warehouse transforming", "drop role transformer")
        world.said = [
            reads_only(lambda: world.run("cloud-setup", "--dry-run")),
            *fail_at_every_step(world),
            world.run("cloud-setup"),
            reads_only(lambda: world.run("cloud-setup", "--dry-run")),
            world.run("cloud-setup"),
        ]
        yield world


def reads_only(run: Callable[[], Finished]) -> Finished:
    """Run something; fail if it changes anything in AWS or Snowflake."""
    asked, called = [], []
    rows, call = Session.rows, botocore.client.BaseClient._make_api_call

    def ask(self, sql):
        asked.append(sql)
        return rows(self, sql)

    def note(self, name, arguments):
        called.append(name)
        return call(self, name, arguments)

    with (
        patch.object(Session, "rows", ask),
        patch.object(botocore.client.BaseClient, "_make_api_call", note),
    ):
        finished = run()
    reading = ("select ", "show ", "desc ", "describe ", "list ")
    assert asked and all(sql.startswith(reading) for sql in asked), asked
    # AssumeRole is the emulated Snowflake's, which lives in this process.
    assert called and all(name.startswith((*READING, "AssumeRole")) for name in called)
    return finished


def fail_at_every_step(world: World) -> Iterator[Finished]:
    """Start cloud-setup again and again; each time a later call to AWS or Snowflake
    fails, as if the connection were gone."""
    aws_call = botocore.client.BaseClient._make_api_call
    for failing in ("CreateStack", "UpdateStack", "desc integration", "show pipes"):

        def call(self, name, arguments, failing=failing):
            if name == failing:
                response = {"Error": {"Code": "Throttled", "Message": "planted"}}
                raise ClientError(response, name)
            return aws_call(self, name, arguments)

        rows = Session.rows

        def ask(self, sql, failing=failing, rows=rows):
            if sql.startswith(failing):
                raise stack_module.AwsError("planted")
            return rows(self, sql)

        with (
            patch.object(botocore.client.BaseClient, "_make_api_call", call),
            patch.object(Session, "rows", ask),
        ):
            yield world.run("cloud-setup")


def test_dry_run_says_all_and_does_nothing(world):
    first = world.said[0]
    assert first.returncode == 0, first.stderr
    assert "would make the stack" in first.stdout
    for file in Path("snowflake_setup").rglob("*.sql"):
        assert f"would run {file.parent.name}/{file.name}" in first.stdout
    # The next one found nothing of what this one said.
    assert "    made the stack" not in world.said[1].stdout


def test_it_goes_on_where_it_failed(world):
    failed = world.said[1:5]
    assert [finished.returncode for finished in failed] == [4, 4, 4, 4]
    assert all("planted" in finished.stderr for finished in failed)
    reached = [finished.stdout.count("/6 ") for finished in failed]
    assert reached == [1, 4, 3, 6]
    whole = world.said[5]
    assert whole.returncode == 0, whole.stderr
    assert "changed the stack: notification" in whole.stdout
    ran = [line for finished in world.said[1:] for line in finished.stdout.split("\n")]
    ran = [line for line in ran if line.startswith("    ran ")]
    assert len(ran) == len(set(ran)), "something ran twice"


def test_nothing_of_others_is_taken_over(world):
    assert world.refused.returncode == 2, world.refused.stdout
    assert "warehouse transforming (SNOWFLAKE_WAREHOUSE)" in world.refused.stderr
    assert "role transformer (SNOWFLAKE_ROLE)" in world.refused.stderr
    assert "role setup, then start again" in world.refused.stderr


def test_what_comes_next_is_said(world):
    for line in (
        f"AWS_ROLE_ARN=arn:aws:iam::000000000000:role/{STACK}-github",
        "SNOWFLAKE_USER=amplitude_ci",
        f"LANDING=s3://{BUCKET}/{PREFIX.rstrip('/')}",
    ):
        assert line in world.said[5].stdout


def test_a_second_run_changes_nothing(world):
    planned, again = world.said[6:8]
    assert "would run" not in planned.stdout and "would change" not in planned.stdout
    assert again.returncode == 0
    assert "ran " not in again.stdout and "stack:" not in again.stdout
    assert again.stdout.count("    as it should be") == 5


def test_the_bucket_is_as_the_template_says(world):
    s3 = world.cloud.client("s3")
    encryption = s3.get_bucket_encryption(Bucket=BUCKET)
    [rule] = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(block, True) and len(block) == 4


def stack_of(world: World, **changes: str) -> Stack:
    with (
        patch.dict("os.environ", world.environment),
        patch("boto3.DEFAULT_SESSION", None),
    ):
        return Stack(CloudSettings.read(world.environment | changes))


def test_both_roles_may_use_a_key_that_encrypts_the_bucket(world):
    """The emulator makes no such bucket: it leaves out BucketEncryption."""
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    stack = stack_of(
        world, AWS_STACK="second", LANDING="s3://encrypted", LANDING_KMS_KEY_ARN=key
    )
    assert stack.deploy(None, stack.parameters(None))
    iam = world.cloud.client("iam")
    for role, policy, actions in (
        ("second-snowflake", "read-landing", ["kms:Decrypt"]),
        ("second-github", "write-landing", ["kms:GenerateDataKey", "kms:Decrypt"]),
    ):
        made = iam.get_role_policy(RoleName=role, PolicyName=policy)
        [allowed] = [
            statement["Action"]
            for statement in made["PolicyDocument"]["Statement"]
            if statement["Resource"] == key
        ]
        assert allowed == (actions if len(actions) > 1 else actions[0])


def test_a_provider_that_the_account_has_is_used_as_it_is(world):
    own = stack_of(world)
    assert own.parameters(own.deployed())["GitHubProviderArn"] == ""
    other = stack_of(world, AWS_STACK="another")
    found = other.parameters(None)["GitHubProviderArn"]
    assert found.endswith("oidc-provider/token.actions.githubusercontent.com")


def test_a_first_deployment_that_failed_is_cleared_away(world):
    world.cloud.client("s3").create_bucket(Bucket="taken")
    stack = stack_of(world, AWS_STACK="third", LANDING="s3://taken")
    with pytest.raises(AwsError, match="Bucket"):
        stack.deploy(None, stack.parameters(None))
    deployed = stack.deployed()
    assert deployed.status in stack_module.NEVER_MADE
    free = stack_of(world, AWS_STACK="third", LANDING="s3://free-for-all")
    assert free.deploy(deployed, free.parameters(deployed))
    assert free.deployed().status == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    "seen, done",
    [
        # Killed while the stack was made, changed, or rolled back.
        (["CREATE_IN_PROGRESS", "CREATE_COMPLETE"], ["update_stack"]),
        (["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"], ["update_stack"]),
        (["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"], ["update_stack"]),
        (
            ["ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_IN_PROGRESS", ""],
            ["delete_stack", "create_stack"],
        ),
        (["DELETE_IN_PROGRESS", ""], ["create_stack"]),
    ],
)
def test_a_stack_that_is_at_work_is_waited_for(seen, done, monkeypatch):
    calls = []

    class CloudFormation:
        def describe_stacks(self, **_):
            status = seen.pop(0) if seen else "UPDATE_COMPLETE"
            if not status:
                error = {"Error": {"Code": "ValidationError", "Message": GONE}}
                raise ClientError(error, "DescribeStacks")
            return {"Stacks": [{"StackStatus": status}]}

        def __getattr__(self, name):
            return lambda **_: calls.append(name)

    monkeypatch.setattr(stack_module, "client", lambda *_: CloudFormation())
    monkeypatch.setattr(stack_module, "LOOK_AGAIN_SECONDS", 0)
    settings = CloudSettings.read({"LANDING": "s3://bucket"})
    stack = Stack(settings)
    assert stack.deploy(stack.deployed(), {})
    assert calls == done


GONE = "Stack with id amplitude-landing does not exist"


# --- Who may do what: the emulated IAM answers ----------------------------------------


@pytest.fixture
def without_tls_rule(world: World) -> Iterator[None]:
    """All here goes over HTTP, which the bucket refuses: there is a test of that."""
    s3 = world.cloud.client("s3")
    policy = s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    s3.delete_bucket_policy(Bucket=BUCKET)
    yield
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)


def token(subject: str, audience: str = "sts.amazonaws.com") -> str:
    """An identity token as GitHub's, unsigned: the emulator looks at its claims."""

    def part(claims: dict) -> str:
        text = json.dumps(claims).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    claims = {
        "iss": "https://token.actions.githubusercontent.com",
        "sub": subject,
        "aud": audience,
        "exp": int(time.time()) + 600,
    }
    return f"{part({'alg': 'none'})}.{part(claims)}.x"


def as_github(world: World, subject: str = SUBJECT, **claims: str):
    """S3 as a workflow with this subject."""
    sts = world.cloud.client("sts", aws_access_key_id="x", aws_secret_access_key="x")
    keys = sts.assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::000000000000:role/{STACK}-github",
        RoleSessionName="test",
        WebIdentityToken=token(subject, **claims),
    )["Credentials"]
    return world.cloud.client(
        "s3",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


@pytest.mark.parametrize(
    "subject",
    [
        "repo:owner@1/name@2:ref:refs/heads/other",
        "repo:owner@1/name@2:pull_request",
        "repo:owner/name:ref:refs/heads/main",
        "repo:stranger@1/name@2:ref:refs/heads/main",
    ],
)
def test_no_other_workflow_takes_the_role(world, subject):
    with pytest.raises(ClientError, match="AccessDenied"):
        as_github(world, subject)


def test_no_other_audience_takes_the_role(world):
    with pytest.raises(ClientError, match="AccessDenied"):
        as_github(world, audience="another")


def may(call: Callable, **arguments: Any) -> bool:
    try:
        call(Bucket=BUCKET, **arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("AccessDenied", "403"), error
        return False
    return True


def test_the_workflow_may_read_and_write_the_landing_alone(world, without_tls_rule):
    root = world.cloud.client("s3")
    for key in ("events/a", "ledger/a", "limits/a", "erasures/a", "other/a"):
        root.put_object(Bucket=BUCKET, Key=PREFIX + key, Body=b"1")
    root.put_object(Bucket=BUCKET, Key="elsewhere/ledger/a", Body=b"1")
    s3 = as_github(world)
    for folder, puts, gets, lists in [
        (f"{PREFIX}events/", True, True, True),
        (f"{PREFIX}ledger/", True, True, True),
        (f"{PREFIX}limits/", True, True, True),
        # It leaves out who was erased, and records their new ids; it deletes nothing.
        (f"{PREFIX}erasures/", True, True, True),
        (f"{PREFIX}other/", False, False, False),
        ("elsewhere/ledger/", False, False, False),
        ("", False, None, False),
    ]:
        assert may(s3.put_object, Key=f"{folder}new", Body=b"1") is puts, folder
        if gets is not None:
            assert may(s3.get_object, Key=f"{folder}a") is gets, folder
        assert may(s3.list_objects_v2, Prefix=folder) is lists, folder
        assert not may(s3.delete_object, Key=f"{folder}a"), folder
    assert not may(s3.put_bucket_policy, Policy="{}")
    for folder in ("events/", "ledger/", "limits/", "erasures/", "other/"):
        for name in ("a", "new"):
            root.delete_object(Bucket=BUCKET, Key=f"{PREFIX}{folder}{name}")
    root.delete_object(Bucket=BUCKET, Key="elsewhere/ledger/a")


def as_snowflake(world: World, external_id: str | None = None):
    """S3 as Snowflake reads it."""
    assert stage.aws_client
    keys = stage.aws_client("sts", {}).assume_role(
        RoleArn=f"arn:aws:iam::000000000000:role/{STACK}-snowflake",
        RoleSessionName="test",
        ExternalId=external_id or stage.EXTERNAL_ID,
    )["Credentials"]
    return stage.aws_client("s3", keys)


def test_snowflake_takes_its_role_with_the_external_id_alone(world):
    as_snowflake(world)
    with pytest.raises(ClientError, match="AccessDenied"):
        as_snowflake(world, external_id="another")


def test_snowflake_may_read_events_and_ledger_and_no_more(world, without_tls_rule):
    root = world.cloud.client("s3")
    keys = [f"{PREFIX}{folder}/a" for folder in ("events", "ledger", "limits")]
    for key in keys:
        root.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    s3 = as_snowflake(world)
    assert [may(s3.get_object, Key=key) for key in keys] == [True, True, False]
    assert may(s3.list_objects_v2, Prefix=PREFIX)
    assert not may(s3.list_objects_v2, Prefix="elsewhere/")
    assert may(s3.get_bucket_location)
    assert not may(s3.put_object, Key=keys[0], Body=b"2")
    assert not may(s3.delete_object, Key=keys[0])
    for key in keys:
        root.delete_object(Bucket=BUCKET, Key=key)


def test_the_bucket_refuses_connections_without_tls(world):
    assert not may(as_snowflake(world).list_objects_v2, Prefix=PREFIX)
    with pytest.raises(ProgrammingError, match="AccessDenied"):
        run(world.cloud.variables, "list @raw.amplitude.landing/ledger/")


# --- The doctor -----------------------------------------------------------------------


HOUR = "2026-01-12T10"


@pytest.fixture(scope="module")
def loaded(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """An hour of the sample export, landed by the ingest and loaded on notice."""
    s3 = world.cloud.client("s3")
    s3.delete_bucket_policy(Bucket=BUCKET)
    subprocess.run(
        [sys.executable, "-m", "ingest", "--start", HOUR, "--end", HOUR],
        cwd=tmp_path_factory.mktemp("ingest"),
        env=world.environment | {"PYTHONPATH": str(Path(__file__).parents[1])},
        check=True,
        capture_output=True,
    )
    assert world.cloud.deliver_notices() > 1
    return world


@pytest.fixture(scope="module")
def well(loaded: World) -> Iterator[World]:
    """As `loaded`; the doctor is not told that the TLS rule had to go."""
    with patch("doctor.aws._refuses_plain_http", lambda given: True):
        yield loaded


def test_snowflake_setup_alone_finds_the_role_that_the_stack_made(world):
    finished = reads_only(lambda: world.run("deploy", "--dry-run"))
    assert finished.stdout == "Snowflake is as it should be: nothing to run\n"


def test_what_lands_is_loaded_on_notice(loaded):
    finished = loaded.run("wait-loaded", "--timeout=1", "--pause=1")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    finished = loaded.run("load-missing")
    assert "nothing is missing" in finished.stdout


def test_the_doctor_finds_nothing_and_changes_nothing(well):
    finished = reads_only(lambda: well.run("doctor"))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    lines = finished.stdout.splitlines()
    # Nothing has been built here, so there is no form of the last load to look at.
    (unbuilt,) = [line for line in lines if not line.startswith("OK ")]
    assert "no build has made amplitude__load_drift yet" in unbuilt
    assert len(lines) == 24


def test_secrets_are_in_no_line(well):
    secrets = {"AMP_SECRET_KEY": "s3cr3t-amp", "AWS_SECRET_ACCESS_KEY": "s3cr3t-aws"}
    found = well.doctor(**secrets, AWS_ACCESS_KEY_ID="AKIANOBODY")
    assert "AWS" in found.wrong
    assert "s3cr3t" not in found.said


def test_the_doctor_says_which_setting_is_malformed(well):
    found = well.doctor(LANDING="gs://bucket")
    assert "LANDING" in found.wrong["settings"]


@pytest.mark.parametrize(
    "changes, told",
    [
        (
            {"SNOWFLAKE_ACCOUNT": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": ""},
            {"settings": "SNOWFLAKE_ACCOUNT, AWS_REGION"},
        ),
        (
            {"LANDING": "data/landing", "AMP_SECRET_KEY": "wrong"},
            {"settings": "AWS_BUCKET", "Amplitude": "of its data: eu?"},
        ),
        (
            {
                "AMP_EXPORT_URL": "http://127.0.0.1:9/api/2/export",
                "AWS_ACCESS_KEY_ID": "AKIANOBODY",
            },
            {"Amplitude": "AMP_EXPORT_URL", "AWS": "AWS_PROFILE"},
        ),
        (
            {
                "AWS_REGION": "eu-west-1",
                "SNOWFLAKE_LOADER_ROLE": "nobody",
                "SNOWFLAKE_CI_USER": "nobody",
            },
            {
                "stack": "no stack amplitude-landing in eu-west-1",
                "bucket": "set AWS_REGION=us-east-1",
                "Snowflake, loader role": "grant role nobody to user",
                "workflow's user": "there is no user nobody",
            },
        ),
        (
            {
                "AWS_STACK": "another",
                "SNOWFLAKE_STORAGE_INTEGRATION": "another",
                "SNOWFLAKE_RAW_SCHEMA": "another",
            },
            {
                "stack": "make cloud-setup",
                "storage integration": "make cloud-setup AGAIN=1",
                "stage": "make cloud-setup AGAIN=1",
                "pipes": "make cloud-setup AGAIN=1",
                "raw tables": "make cloud-setup AGAIN=1",
            },
        ),
        (
            {
                "LANDING_ARCHIVE_DAYS": "30",
                "LANDING": f"s3://{BUCKET}/other",
                "SNOWFLAKE_WAREHOUSE": "nothing",
                "SNOWFLAKE_UNMASKED_ROLE": "privacy",
            },
            {
                "stack": "LandingPrefix, ArchiveObjectsDays",
                "storage integration": "does not allow",
                "stage": f"set url = 's3://{BUCKET}/other/'",
                "warehouses": "has no warehouse nothing",
                "masking policies": "need the Enterprise edition",
                "ledger against raw": "make ingest",
            },
        ),
        (
            {"LANDING": "s3://no-such-bucket/x", "SNOWFLAKE_SETUP_ROLE": "nobody"},
            {
                "bucket": "make cloud-setup",
                "Snowflake, setup role": "grant role nobody to user",
            },
        ),
        ({"SNOWFLAKE_ROLE": "nobody"}, {"dbt": "SNOWFLAKE_ROLE"}),
    ],
)  # fmt: skip
def test_the_doctor_finds_wrong_settings(well, changes, told):
    found = well.doctor(with_dbt="dbt" in told, **changes)
    for link, words in told.items():
        assert link in found.wrong, found.said
        assert words in " | ".join([found.wrong[link], *found.fixes[link]]), found.said


# Each fault is planted, and fixed by nothing but the commands that the doctor prints.

INTEGRATION = "alter storage integration amplitude_landing"
PIPE = "alter pipe raw.amplitude.event_lines_pipe set"
ROLE = f"{STACK}-snowflake"


def by_sql(*faults: str) -> Callable:
    return lambda world: [run(world.cloud.variables, fault) for fault in faults]


def by_trust(change: Callable) -> Callable:
    """Change the statements of the trust of the role that Snowflake assumes."""

    def plant(world: World) -> None:
        iam = world.cloud.client("iam")
        trust = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
        change(trust["Statement"])
        iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))

    return plant


def another_external_id(statements: list) -> None:
    statements[0]["Condition"]["StringEquals"]["sts:ExternalId"] = "another"


def everybody_too(statements: list) -> None:
    statements.append({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"})


def by_s3(call: str, **arguments: Any) -> Callable:
    return lambda world: getattr(world.cloud.client("s3"), call)(
        Bucket=BUCKET, **arguments
    )


def notify(*rules: tuple[str, str, str]) -> Callable:
    """Only these notifications: queue, prefix, suffix."""
    return by_s3(
        "put_bucket_notification_configuration",
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": queue,
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {
                        "Key": {
                            "FilterRules": [
                                {"Name": "prefix", "Value": prefix},
                                {"Name": "suffix", "Value": suffix},
                            ]
                        }
                    },
                }
                for queue, prefix, suffix in rules
            ]
        },
    )


QUEUE = account.PIPE_QUEUE


@pytest.fixture(autouse=True, scope="module")
def old_queue(world: World) -> None:
    """A queue that no pipe listens to; S3 may still write to it."""
    sqs = world.cloud.client("sqs")
    name = QUEUE.rpartition(":")[2]
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    policy = told["Attributes"]["Policy"].replace(QUEUE, f"{QUEUE}-old")
    sqs.create_queue(QueueName=f"{name}-old", Attributes={"Policy": policy})


@pytest.mark.parametrize(
    "faults",
    [
        {
            ("bucket", "not versioned"): by_s3(
                "put_bucket_versioning",
                VersioningConfiguration={"Status": "Suspended"},
            ),
            ("storage integration", "switched off"): by_sql(
                f"{INTEGRATION} set enabled = false"
            ),
            ("storage integration", "the stack has made"): by_sql(
                f"{INTEGRATION} set storage_aws_role_arn = 'arn:aws:iam::1:role/{ROLE}'"
            ),
            ("storage integration", "does not allow"): by_sql(
                f"{INTEGRATION} set storage_allowed_locations = ('s3://other/')"
            ),
            ("storage integration", "blocks"): by_sql(
                f"{INTEGRATION} set storage_blocked_locations"
                f" = ('s3://{BUCKET}/{PREFIX}events/')"
            ),
            ("AWS role's trust", "with the external id"): by_trust(another_external_id),
            ("pipes", "event_lines_pipe is PAUSED"): by_sql(
                f"{PIPE} pipe_execution_paused = true"
            ),
            ("notification", "queue no notifications for amplitude/ledger/"): notify(
                (QUEUE, f"{PREFIX}events/", "")
            ),
            ("warehouses", "does not start by itself"): by_sql(
                "alter warehouse transforming set auto_resume = false"
            ),
            ("raw tables", "has no loaded_at"): by_sql(
                "alter table raw.amplitude.ledger drop column loaded_at"
            ),
            ("workflow's user", "switched off"): by_sql(
                "alter user amplitude_ci set disabled = true"
            ),
            ("ledger against raw", "1 of 3 files"): by_sql(
                "delete from raw.amplitude.events"
            ),
        },
        {
            ("bucket", "public"): by_s3("delete_public_access_block"),
            ("AWS role's trust", "others besides"): by_trust(everybody_too),
            ("notification", "events/, amplitude/ledger/"): notify(
                (QUEUE, "elsewhere/", ""), (QUEUE, f"{PREFIX}events/", ".csv")
            ),
            ("stage", "not s3://cloud-landing/amplitude/"): by_sql(
                "alter stage raw.amplitude.landing set url = 's3://cloud-landing/'"
            ),
        },
        {
            ("AWS role's trust", "with the external id"): by_trust(another_external_id),
            ("stage", "cannot be listed"): by_sql("select 1"),
            ("notification", "events/, amplitude/ledger/"): notify(
                (f"{QUEUE}-old", PREFIX, "")
            ),
        },
    ],
)  # fmt: skip
def test_doctor_fixes_resolve_its_findings(well, faults):
    for plant in faults.values():
        plant(well)
    found = well.doctor()
    for link, words in faults:
        assert words in found.wrong.get(link, ""), found.said
    commands = [command for fixes in found.fixes.values() for command in fixes]
    for command in dict.fromkeys(commands):
        if command.startswith(("make l", "make c", "aws ", "alter ", "drop ")):
            well.fix(command)
    assert not (left := well.doctor()).wrong, left.said


def test_what_was_dropped_comes_back_and_no_row_twice(well):
    before = run(well.cloud.variables, COUNTED)
    by_sql(
        "drop pipe raw.amplitude.ledger_pipe",
        "drop table raw.amplitude.events",
        "drop integration amplitude_landing",
        "drop user amplitude_ci",
        "revoke insert on table raw.amplitude.ledger from role loader",
        "revoke create schema on database analytics from role transformer",
    )(well)
    found = well.doctor()
    for link, words in {
        "pipes": "there is no raw.amplitude.ledger_pipe",
        "raw tables": "raw.amplitude.events",
        "storage integration": "does not exist",
        "workflow's user": "there is no user amplitude_ci",
        "grants": "loader lacks insert on table raw.amplitude.ledger; transformer"
        " lacks create schema on database analytics",
    }.items():
        assert words in found.wrong[link], found.said
    well.fix("make cloud-setup AGAIN=1")
    well.fix("make load-missing")
    assert not (left := well.doctor()).wrong, left.said
    assert run(well.cloud.variables, COUNTED) == before


COUNTED = (
    "select filename, count(*) from raw.amplitude.events group by 1 union all"
    " select filename, count(*) from raw.amplitude.ledger group by 1 order by 1"
)


@pytest.mark.parametrize(
    "state, fix",
    [
        ("STOPPED_STAGE_ALTERED", "drop pipe raw.amplitude.event_lines_pipe"),
        ("STOPPED_MISSING_TABLE", "make cloud-setup AGAIN=1"),
        ("STALLED_EXECUTION_ERROR", "select system$pipe_force_resume"),
    ],
)
def test_a_stopped_pipe_reports_its_state(well, state, fix):
    status = {"executionState": state, "error": "why"}
    with patch.object(Session, "pipe_status", lambda self, pipe: status):
        found = well.doctor()
    assert f"event_lines_pipe is {state} why" in found.wrong["pipes"]
    assert any(line.startswith(fix) for line in found.fixes["pipes"])
    assert "make load-missing" in found.fixes["pipes"]


def test_who_may_list_but_not_write_is_found(well):
    iam = well.cloud.client("iam")
    policy = iam.get_role_policy(RoleName=f"{STACK}-github", PolicyName="write-landing")
    fewer = policy["PolicyDocument"] | {
        "Statement": [
            statement
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Sid"] != "LandFiles"
        ]
    }
    name = {"RoleName": f"{STACK}-github", "PolicyName": "write-landing"}
    document = json.dumps(policy["PolicyDocument"])
    try:
        iam.put_role_policy(**name, PolicyDocument=json.dumps(fewer))
        found = well.doctor()
    finally:
        iam.put_role_policy(**name, PolicyDocument=document)
    assert "the workflow may not s3:PutObject events/*" in found.wrong["right to land"]
    assert "bucket" not in found.wrong


def test_rows_that_came_twice_are_found(well):
    table = "raw.amplitude.ledger"
    run(well.cloud.variables, f"insert into {table} select * from {table}")
    try:
        found = well.doctor()
    finally:
        run(well.cloud.variables, f"delete from {table}")
        well.fix("make load-missing")
    assert "doubled" in found.wrong["ledger against raw"]


def test_a_load_of_another_form_is_found(well):
    table = "analytics.amplitude.amplitude__load_drift"
    run(
        well.cloud.variables,
        "create schema if not exists analytics.amplitude",
        f"create table {table} (project_id varchar, uploaded_date date, drifts varchar,"
        " undocumented_keys varchar, missing_keys varchar, batch_number bigint)",
        f"insert into {table} values"
        " ('5', '2026-03-01', 'no_event_time', null, null, 1),"
        " ('5', '2026-03-02', null, null, null, 2)",
    )
    try:
        assert "form of the last load" not in well.doctor().wrong
        run(
            well.cloud.variables,
            f"insert into {table} values"
            " ('5', '2026-03-03', 'no_event_time', 'when', 'event_time', 2)",
        )
        found = well.doctor().wrong["form of the last load"]
    finally:
        run(well.cloud.variables, f"drop table {table}")
    assert found == (
        "many rows that project 5 uploaded on 2026-03-03 have another form:"
        " no_event_time (new keys: when; missing keys: event_time)"
    )


def test_a_clock_that_is_wrong_is_found(well):
    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + timedelta(minutes=7)

    with patch("doctor.sources.datetime", Later):
        found = well.doctor()
    assert re.search(r"clock is 42\d s ahead", found.wrong["clock"])
    assert found.fixes["clock"] == ["sudo timedatectl set-ntp true"]


@pytest.mark.parametrize(
    "code, link, fix",
    [
        ("ExpiredToken", "AWS", "aws sso login"),
        ("RequestTimeTooSkewed", "AWS", "sudo timedatectl"),
        ("AccessDenied", "AWS", "sign in to AWS as a user with the permission"),
    ],
)
def test_why_aws_refuses_is_told(well, code, link, fix):
    refusal = ClientError({"Error": {"Code": code, "Message": "No."}}, "Any")

    def refuse(self, name, arguments):
        raise refusal

    with patch.object(botocore.client.BaseClient, "_make_api_call", refuse):
        found = well.doctor()
    assert found.fixes[link][0].startswith(fix), found.said
    # One look after the other, whatever became of those before.
    assert "OK    pipes" in found.said and "OK    raw tables" in found.said


def test_a_key_that_snowflake_does_not_know_is_told_once(well):
    def refuse(**parameters):
        raise DatabaseError(msg="JWT token is invalid", errno=390144)

    with patch("snowflake.connector.connect", refuse):
        found = well.doctor()
    assert "JWT token is invalid" in found.wrong["Snowflake, setup role"]
    assert "set rsa_public_key" in " ".join(found.fixes["Snowflake, setup role"])
    assert "Snowflake, loader role" not in found.wrong
    assert "OK    notification" not in found.said and "OK    bucket" in found.said


def test_a_network_policy_is_named(well):
    def refuse(**parameters):
        message = "Incoming request with IP/Token 192.0.2.1 is not allowed to access"
        raise DatabaseError(msg=f"{message} Snowflake.", errno=250001)

    with patch("snowflake.connector.connect", refuse):
        found = well.doctor()
    assert "the account has a network policy" in found.fixes["Snowflake, setup role"][0]


def test_a_fault_of_a_check_stops_no_other(well):
    def fall(context):
        raise KeyError("planted")

    with patch.dict("doctor.cloud.CHECKS", {"clock": fall} | dict.fromkeys(DBT, fall)):
        finished = well.run("doctor")
    assert finished.returncode == 1
    assert "FAIL  clock: unexpected KeyError: 'planted'" in finished.stdout
    assert finished.stdout.count("\nOK ") == 19, finished.stdout
    assert "Traceback" not in finished.stdout + finished.stderr
