"""make cloud-setup and make doctor, on emulated accounts of AWS and Snowflake."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import botocore.client
import pytest
from botocore.exceptions import ClientError
from commands import Finished, snowflake_setup
from snowflake.connector.errors import ProgrammingError

from sandbox import snowflake_account, snowflake_stage
from sandbox.cloud import Cloud, cloud
from sandbox.export_api import serve
from sandbox.snowflake import run, without_account
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
READING = ("Get", "List", "Head", "Describe")


@dataclass
class World:
    """Two accounts that were set up, and what was said when they were."""

    cloud: Cloud
    environment: dict[str, str]
    said: list[Finished]

    def run(self, *arguments: str, **changes: str) -> Finished:
        return snowflake_setup(self.environment | changes, *arguments)

    def doctor(self, *, with_dbt: bool = False, **changes: str) -> dict[str, str]:
        """The lines of the doctor that say that something is wrong, by link.

        dbt takes seconds to start: it is asked only if it is to find something.
        """
        checks = {} if with_dbt else {"dbt": lambda patient: "not asked"}
        with patch.dict("snowflake_setup.doctor.CHECKS", checks):
            finished = self.run("doctor", **changes)
        wrong = {}
        for finding in finished.stdout.split("\n"):
            if finding.startswith("WRONG"):
                link, _, message = finding.removeprefix("WRONG").strip().partition(": ")
                wrong[link] = message
            elif finding.strip().startswith("mend:"):
                wrong[link] += " | " + finding.strip()
        assert finished.returncode == (1 if wrong else 0), finished.stdout
        return wrong


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
        world.said = [
            world.run("cloud-setup", "--dry-run"),
            *fail_at_every_step(world),
            world.run("cloud-setup"),
            world.run("cloud-setup", "--dry-run"),
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
        as_github(world, audience="somebody-else")


def may(call: Callable, **arguments: object) -> bool:
    try:
        call(Bucket=BUCKET, **arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("AccessDenied", "403"), error
        return False
    return True


def test_the_workflow_may_write_the_landing_and_no_more(world, without_tls_rule):
    root = world.cloud.client("s3")
    for key in ("events/a", "ledger/a", "limits/a", "other/a"):
        root.put_object(Bucket=BUCKET, Key=PREFIX + key, Body=b"1")
    root.put_object(Bucket=BUCKET, Key="elsewhere/ledger/a", Body=b"1")
    s3 = as_github(world)
    for folder, puts, gets, lists in [
        (f"{PREFIX}events/", True, False, False),
        (f"{PREFIX}ledger/", True, True, True),
        (f"{PREFIX}limits/", True, True, True),
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
    for folder in ("events/", "ledger/", "limits/", "other/"):
        for name in ("a", "new"):
            root.delete_object(Bucket=BUCKET, Key=f"{PREFIX}{folder}{name}")
    root.delete_object(Bucket=BUCKET, Key="elsewhere/ledger/a")


def as_snowflake(world: World, external_id: str | None = None):
    """S3 as Snowflake reads it."""
    keys = snowflake_stage.aws_client("sts", {}).assume_role(
        RoleArn=f"arn:aws:iam::000000000000:role/{STACK}-snowflake",
        RoleSessionName="test",
        ExternalId=external_id or snowflake_stage.EXTERNAL_ID,
    )["Credentials"]
    return snowflake_stage.aws_client("s3", keys)


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
def well(loaded: World) -> World:
    """As `loaded`; the doctor is not told that the TLS rule had to go."""
    with patch("snowflake_setup.doctor._refuses_plain_http", lambda policy: True):
        yield loaded


def test_what_lands_is_loaded_on_notice(loaded):
    finished = loaded.run("wait-loaded", "--timeout=1", "--pause=1")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    finished = loaded.run("load-missing")
    assert "nothing is missing" in finished.stdout


def test_the_doctor_finds_nothing_and_changes_nothing(well):
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
        finished = well.run("doctor")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    lines = finished.stdout.splitlines()
    assert len(lines) == 16 and all(line.startswith("ok ") for line in lines)
    reading = ("select ", "show ", "desc ", "describe ", "list ")
    assert asked and all(sql.startswith(reading) for sql in asked)
    # AssumeRole is the emulated Snowflake's, which lives in this process.
    assert called and all(name.startswith((*READING, "AssumeRole")) for name in called)


def test_secrets_are_in_no_line(well):
    secrets = {"AMP_SECRET_KEY": "s3cr3t-amp", "AWS_SECRET_ACCESS_KEY": "s3cr3t-aws"}
    finished = well.run("doctor", **secrets, AWS_ACCESS_KEY_ID="AKIANOBODY")
    assert finished.returncode == 1
    assert "s3cr3t" not in finished.stdout + finished.stderr


@pytest.mark.parametrize(
    "changes, link, words",
    [
        ({"SNOWFLAKE_ACCOUNT": ""}, "settings", "SNOWFLAKE_ACCOUNT"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "settings", "AWS_REGION"),
        ({"LANDING": "data/landing"}, "settings", "AWS_BUCKET"),
        ({"AMP_SECRET_KEY": "wrong"}, "Amplitude", "AMP_REGION"),
        ({"AMP_EXPORT_URL": "http://127.0.0.1:9/api/2/export"}, "Amplitude", "AMP_"),
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "AWS", "signing in"),
        ({"AWS_STACK": "another"}, "stack", "make cloud-setup"),
        ({"LANDING_ARCHIVE_DAYS": "30"}, "stack", "ArchiveObjectsDays"),
        ({"LANDING": "s3://no-such-bucket/x"}, "bucket", "make cloud-setup"),
        ({"SNOWFLAKE_SETUP_ROLE": "nobody"}, "Snowflake, setup role", "grant role"),
        ({"SNOWFLAKE_LOADER_ROLE": "nobody"}, "Snowflake, loader role", "grant role"),
        (
            {"SNOWFLAKE_STORAGE_INTEGRATION": "another"},
            "storage integration",
            "make snowflake-setup",
        ),
        ({"SNOWFLAKE_RAW_SCHEMA": "another"}, "pipes", "make snowflake-setup"),
        ({"SNOWFLAKE_RAW_SCHEMA": "another"}, "raw tables", "make snowflake-setup"),
        ({"SNOWFLAKE_ROLE": "nobody"}, "dbt", "SNOWFLAKE_ROLE"),
    ],
)  # fmt: skip
def test_the_doctor_finds_a_wrong_setting(well, changes, link, words):
    found = well.doctor(with_dbt=link == "dbt", **changes)
    assert link in found and words in found[link], found


def sql(world: World, *statements: str) -> None:
    run(world.cloud.variables, *statements)


INTEGRATION = "alter storage integration amplitude_landing set"
PIPE = "alter pipe raw.amplitude.events_pipe set"
ROLE = f"{STACK}-snowflake"


def trust_another(world: World) -> Callable:
    iam = world.cloud.client("iam")
    role = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    changed = json.loads(json.dumps(role))
    changed["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"] = "another"
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(changed))
    return lambda: iam.update_assume_role_policy(
        RoleName=ROLE, PolicyDocument=json.dumps(role)
    )


def trust_everybody_too(world: World) -> Callable:
    iam = world.cloud.client("iam")
    role = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    changed = json.loads(json.dumps(role))
    changed["Statement"].append(
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    )
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(changed))
    return lambda: iam.update_assume_role_policy(
        RoleName=ROLE, PolicyDocument=json.dumps(role)
    )


def take_the_right_to_read(world: World) -> Callable:
    iam = world.cloud.client("iam")
    policy = iam.get_role_policy(RoleName=ROLE, PolicyName="read-landing")
    iam.delete_role_policy(RoleName=ROLE, PolicyName="read-landing")
    return lambda: iam.put_role_policy(
        RoleName=ROLE,
        PolicyName="read-landing",
        PolicyDocument=json.dumps(policy["PolicyDocument"]),
    )


def suspend_versions(world: World) -> Callable:
    s3 = world.cloud.client("s3")

    def set_to(status: str) -> None:
        configuration = {"Status": status}
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=configuration)

    set_to("Suspended")
    return lambda: set_to("Enabled")


def open_to_the_public(world: World) -> Callable:
    s3 = world.cloud.client("s3")
    flags = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    s3.delete_public_access_block(Bucket=BUCKET)
    return lambda: s3.put_public_access_block(
        Bucket=BUCKET, PublicAccessBlockConfiguration=flags
    )


def drop_the_notification(world: World) -> Callable:
    s3 = world.cloud.client("s3")
    told = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    queues = {"QueueConfigurations": told["QueueConfigurations"]}
    only_events = {"QueueConfigurations": told["QueueConfigurations"][:1]}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration=only_events
    )
    return lambda: s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration=queues
    )


def by_sql(fault: str, mend: str) -> Callable:
    def plant(world: World) -> Callable:
        sql(world, fault)
        return lambda: sql(world, mend)

    return plant


def forget_the_channel(world: World) -> Callable:
    key = "PIPE", "RAW.AMPLITUDE.LEDGER_PIPE"
    made_by = snowflake_account.account_objects.pop(key)
    return lambda: snowflake_account.account_objects.update({key: made_by})


@pytest.mark.parametrize(
    "plant, link, words",
    [
        (suspend_versions, "bucket", "not versioned"),
        (open_to_the_public, "bucket", "public"),
        (trust_another, "AWS role's trust", "external id"),
        (trust_another, "stage", "cannot be listed"),
        (trust_everybody_too, "AWS role's trust", "others besides Snowflake"),
        (take_the_right_to_read, "stage", "AccessDenied"),
        (drop_the_notification, "notification", "ledger/"),
        (forget_the_channel, "pipes", "there is no raw.amplitude.ledger_pipe"),
        (
            by_sql(f"{INTEGRATION} enabled = false", f"{INTEGRATION} enabled = true"),
            "storage integration",
            "set enabled = true",
        ),
        (
            by_sql(
                f"{INTEGRATION} storage_aws_role_arn = 'arn:aws:iam::1:role/old'",
                f"{INTEGRATION} storage_aws_role_arn ="
                f" 'arn:aws:iam::000000000000:role/{ROLE}'",
            ),
            "storage integration",
            "set storage_aws_role_arn",
        ),
        (
            by_sql(
                f"{INTEGRATION} storage_allowed_locations = ('s3://other/')",
                f"{INTEGRATION} storage_allowed_locations ="
                f" ('s3://{BUCKET}/{PREFIX}')",
            ),
            "storage integration",
            "does not allow",
        ),
        (
            by_sql(
                f"{PIPE} pipe_execution_paused = true",
                f"{PIPE} pipe_execution_paused = false",
            ),
            "pipes",
            "set pipe_execution_paused = false",
        ),
        (
            by_sql(
                "alter table raw.amplitude.events rename to raw.amplitude.events_2",
                "alter table raw.amplitude.events_2 rename to raw.amplitude.events",
            ),
            "raw tables",
            "make snowflake-setup",
        ),
        (
            by_sql(
                "alter table raw.amplitude.ledger rename column loaded_at to at_2",
                "alter table raw.amplitude.ledger rename column at_2 to loaded_at",
            ),
            "raw tables",
            "loaded_at",
        ),
        (
            by_sql(
                "insert into raw.amplitude.ledger select * from raw.amplitude.ledger",
                "delete from raw.amplitude.ledger",
            ),
            "ledger against raw",
            "doubled",
        ),
        (
            by_sql("delete from raw.amplitude.events", "select 1"),
            "ledger against raw",
            "make load-missing",
        ),
    ],
)  # fmt: skip
def test_the_doctor_finds_a_planted_fault(well, plant, link, words):
    mend = plant(well)
    try:
        found = well.doctor()
    finally:
        mend()
    assert link in found and words in found[link], found
