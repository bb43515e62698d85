"""make cloud-setup, on emulated accounts of AWS and Snowflake."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import botocore.client
import pytest
from botocore.exceptions import ClientError
from cloud_world import (
    BUCKET,
    PREFIX,
    STACK,
    SUBJECT,
    World,
    empty_accounts,
    reads_only,
)
from commands import Finished
from snowflake.connector.errors import ProgrammingError

from sandbox.snowflake import run, stage
from snowflake_setup import stack as stack_module
from snowflake_setup.session import Session
from snowflake_setup.settings import CloudSettings
from snowflake_setup.stack import AwsError, Stack

pytestmark = [
    pytest.mark.xdist_group("emulator"),
    pytest.mark.filterwarnings("ignore:Arrow output on a DB-API"),
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Two empty accounts, set up by make cloud-setup alone, failing on its way."""
    with empty_accounts() as world:
        variables = world.cloud.variables
        # As if another team had a warehouse and a role of these names.
        run(
            variables,
            "create warehouse transforming",
            "create role transformer",
        )
        role_arn = "arn:aws:iam::000000000000:role/any"
        world.refused = world.run("deploy", SNOWFLAKE_AWS_ROLE_ARN=role_arn)
        run(variables, "drop warehouse transforming", "drop role transformer")
        world.said = [
            reads_only(lambda: world.run("cloud-setup", "--dry-run")),
            *fail_at_every_step(world),
            world.run("cloud-setup"),
            reads_only(lambda: world.run("cloud-setup", "--dry-run")),
            world.run("cloud-setup"),
        ]
        yield world


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


def test_continues_where_it_failed(world):
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


def test_the_next_steps_are_printed(world):
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
