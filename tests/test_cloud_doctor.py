"""make doctor, on emulated accounts that make cloud-setup has set up."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import botocore.client
import pytest
from botocore.exceptions import ClientError
from cloud_world import BUCKET, DBT, PREFIX, STACK, World, empty_accounts, reads_only
from snowflake.connector.errors import DatabaseError

from sandbox.snowflake import account, run
from snowflake_setup.session import Session

pytestmark = [
    pytest.mark.xdist_group("emulator"),
    pytest.mark.filterwarnings("ignore:Arrow output on a DB-API"),
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Two accounts, set up."""
    with empty_accounts() as world:
        finished = world.run("cloud-setup")
        assert finished.returncode == 0, finished.stdout + finished.stderr
        yield world


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
    assert finished.stdout == "Snowflake is up to date: nothing to run\n"


def test_a_notification_loads_the_file(loaded):
    finished = loaded.run("wait-loaded", "--timeout=1", "--pause=1")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    finished = loaded.run("load-missing")
    assert "nothing is missing" in finished.stdout


def test_the_doctor_finds_nothing_and_changes_nothing(well):
    finished = reads_only(lambda: well.run("doctor"))
    assert finished.returncode == 0, finished.stdout + finished.stderr
    lines = finished.stdout.splitlines()
    # Nothing has been built here: the doctor cannot look at the last load's form.
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
                "workflow's user": "the user nobody does not exist",
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
            ("storage integration", "is disabled"): by_sql(
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
            ("workflow's user", "is disabled"): by_sql(
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
        "pipes": "raw.amplitude.ledger_pipe does not exist",
        "raw tables": "raw.amplitude.events",
        "storage integration": "does not exist",
        "workflow's user": "the user amplitude_ci does not exist",
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
        assert "schema of the last load" not in well.doctor().wrong
        run(
            well.cloud.variables,
            f"insert into {table} values"
            " ('5', '2026-03-03', 'no_event_time', 'when', 'event_time', 2)",
        )
        found = well.doctor().wrong["schema of the last load"]
    finally:
        run(well.cloud.variables, f"drop table {table}")
    assert found == (
        "many rows of project 5 uploaded on 2026-03-03 have another form:"
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
def test_the_reason_for_an_aws_refusal_is_shown(well, code, link, fix):
    refusal = ClientError({"Error": {"Code": code, "Message": "No."}}, "Any")

    def refuse(self, name, arguments):
        raise refusal

    with patch.object(botocore.client.BaseClient, "_make_api_call", refuse):
        found = well.doctor()
    assert found.fixes[link][0].startswith(fix), found.said
    # One look after the other, whatever became of those before.
    assert "OK    pipes" in found.said and "OK    raw tables" in found.said


def test_an_unknown_key_is_reported_once(well):
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
