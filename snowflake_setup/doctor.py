"""make doctor: looks at every link between Amplitude and the models, changing none.

A check is a function that returns what is well, or raises Wrong with what is not and
the command that mends it. A check that needs something an earlier one has not found is
left out, with a word on why.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.export import (
    Busy,
    ExportClient,
    NoData,
    NotAnExportApi,
    Refused,
    TooMuch,
    Unreachable,
)
from ingest.landing import LandingError, open_landing
from ingest.settings import Settings, SettingsError
from ingest.windows import Window, last_safe_hour
from snowflake_setup.expected import expected_files
from snowflake_setup.loads import Raw, first
from snowflake_setup.session import Session, SnowflakeError, github_token, session
from snowflake_setup.settings import CloudSettings
from snowflake_setup.stack import AwsError, Deployed, Stack, aws_errors, client

CLOUD_SETUP = "make cloud-setup"
SNOWFLAKE_SETUP = "make snowflake-setup"
COLUMNS = {
    "events": {
        "raw_json",
        "filename",
        "file_row_number",
        "file_content_key",
        "file_last_modified",
        "loaded_at",
    },
    "ledger": {"raw_json", "filename", "file_row_number", "loaded_at"},
}
DBT_SECONDS = 180


class Wrong(Exception):
    """A link does not hold: what is wrong, and what mends it."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


class LeftOut(Exception):
    """A link cannot be looked at as things are; the message says why."""


@dataclass
class Patient:
    """What is looked at, and what the checks have found so far."""

    settings: CloudSettings
    open: ExitStack
    deployed: Deployed | None = None
    integration: dict[str, str] = field(default_factory=dict)
    queue: str = ""
    sessions: dict[str, Session] = field(default_factory=dict)

    def session(self, role: str) -> Session:
        if role not in self.sessions:
            raise LeftOut(f"there is no session as {role}")
        return self.sessions[role]

    @property
    def setup(self) -> Session:
        return self.session(self.settings.names.setup_role)


@dataclass(frozen=True)
class Finding:
    """What a check has come to; `is_well` is None if it was left out."""

    link: str
    is_well: bool | None
    message: str
    mend: str = ""

    def __str__(self) -> str:
        word = {True: "ok", False: "WRONG", None: "-"}[self.is_well]
        line = f"{word:<6} {self.link}: {self.message}"
        return f"{line}\n       mend: {self.mend}" if self.mend else line


def examine(settings: CloudSettings) -> Iterator[Finding]:
    """Look at each link in the order in which an event passes them."""
    with ExitStack() as stack:
        patient = Patient(settings, stack)
        for link, check in CHECKS.items():
            try:
                yield Finding(link, True, check(patient))
            except Wrong as wrong:
                yield Finding(link, False, str(wrong), wrong.mend)
            except LeftOut as left_out:
                yield Finding(link, None, f"not looked at: {left_out}")
            except SettingsError as error:
                yield Finding(link, False, str(error), "set it in .env")
            except AwsError as error:
                mend = "check AWS credentials and their rights, then " + CLOUD_SETUP
                yield Finding(link, False, str(error), mend)
            except SnowflakeError as error:
                yield Finding(link, False, str(error), SNOWFLAKE_SETUP)


def _settings(patient: Patient) -> str:
    settings = patient.settings
    names = ["AMP_API_KEY", "AMP_SECRET_KEY", "SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER"]
    missing = [name for name in names if not settings.given.get(name)]
    if not settings.is_on_s3:
        missing.append("AWS_BUCKET (or LANDING=s3://bucket/prefix)")
    if not settings.aws_region:
        missing.append("AWS_REGION")
    if missing:
        raise Wrong(
            f"not set: {', '.join(missing)}", "set it in .env; see .env.example"
        )
    return f"landing {settings.landing_url}, Snowflake {settings.sign_in.account}"


def _amplitude(patient: Patient) -> str:
    """Asks for one hour, and leaves its archive where it is."""
    settings = Settings.read(patient.settings.given)
    hour = last_safe_hour(datetime.now(UTC))
    where = f"{settings.export_url} (AMP_REGION={settings.region})"
    try:
        with ExportClient(settings, lambda: False).open(Window(hour, hour)):
            pass
    except (NoData, TooMuch):
        pass  # an answer of the API to keys that it takes
    except Refused as error:
        raise Wrong(
            f"{where} refuses the keys: {error}",
            "set AMP_API_KEY and AMP_SECRET_KEY of one project in .env, and AMP_REGION"
            f" of its data: {'eu' if settings.region == 'us' else 'us'}?",
        ) from error
    except (Unreachable, NotAnExportApi) as error:
        raise Wrong(
            f"{where}: {error}", "check AMP_REGION, AMP_EXPORT_URL, proxy"
        ) from (error)
    except Busy as error:
        raise Wrong(f"{where} is busy: {error}", "make doctor, later") from error
    return f"the keys are taken, {where}"


def _aws(patient: Patient) -> str:
    with aws_errors("signing in to AWS"):
        who = client(patient.settings, "sts").get_caller_identity()
    return who["Arn"]


def _stack(patient: Patient) -> str:
    stack = Stack(patient.settings)
    deployed = stack.deployed()
    if not deployed:
        raise Wrong(f"there is no stack {patient.settings.stack}", CLOUD_SETUP)
    patient.deployed = deployed
    if deployed.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise Wrong(f"{patient.settings.stack} is {deployed.status}", CLOUD_SETUP)
    wanted = stack.parameters(deployed)
    other = [name for name in wanted if wanted[name] != deployed.parameters.get(name)]
    if other:
        raise Wrong(
            f"{patient.settings.stack} was deployed with other settings:"
            f" {', '.join(other)}",
            CLOUD_SETUP,
        )
    return f"{patient.settings.stack} is {deployed.status}"


def _bucket(patient: Patient) -> str:
    settings = patient.settings
    s3 = client(settings, "s3")
    try:
        with aws_errors(f"listing s3://{settings.bucket}/{settings.prefix}"):
            s3.list_objects_v2(
                Bucket=settings.bucket, Prefix=settings.prefix, MaxKeys=1
            )
    except AwsError as error:
        mend = (
            CLOUD_SETUP
            if error.code == "NoSuchBucket"
            else "sign in as somebody who may read it, or mend the bucket's policy"
        )
        raise Wrong(str(error), mend) from error
    faults = []
    with aws_errors(f"reading the configuration of {settings.bucket}"):
        versioning = s3.get_bucket_versioning(Bucket=settings.bucket)
        if versioning.get("Status") != "Enabled":
            faults.append("is not versioned")
        encryption = _or_none(s3.get_bucket_encryption, settings.bucket)
        if not encryption:
            faults.append("is not encrypted")
        block = _or_none(s3.get_public_access_block, settings.bucket) or {}
        flags = block.get("PublicAccessBlockConfiguration", {})
        if len(flags) < 4 or not all(flags.values()):
            faults.append("may be opened to the public")
        policy = _or_none(s3.get_bucket_policy, settings.bucket) or {"Policy": "{}"}
        if not _refuses_plain_http(json.loads(policy["Policy"])):
            faults.append("takes connections without TLS")
    if faults:
        raise Wrong(
            f"{settings.bucket} {', '.join(faults)}: it was changed since it was made",
            f"aws cloudformation detect-stack-drift --stack-name {settings.stack}, and"
            " put back by hand what it shows",
        )
    return f"{settings.bucket} is encrypted, versioned, TLS only, closed to the public"


def _or_none(get: Callable, bucket: str) -> dict[str, Any] | None:
    """A part of the configuration; None if it was never made."""
    try:
        with aws_errors(""):
            return get(Bucket=bucket)
    except AwsError as error:
        if error.code.startswith("NoSuch") or error.code.endswith("NotFoundError"):
            return None
        raise


def _refuses_plain_http(policy: dict[str, Any]) -> bool:
    return any(
        statement.get("Effect") == "Deny"
        and statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
        == "false"
        for statement in policy.get("Statement", [])
    )


def _snowflake(role: str) -> Callable[[Patient], str]:
    def check(patient: Patient) -> str:
        name = getattr(patient.settings.names, role)
        try:
            opened = patient.open.enter_context(session(patient.settings, name))
            [row] = opened.rows("select current_user() as name")
        except SnowflakeError as error:
            raise Wrong(
                str(error),
                "check SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER and the key;"
                f" then {SNOWFLAKE_SETUP}, and"
                f" grant role {name} to user {patient.settings.sign_in.user}",
            ) from error
        patient.sessions[name] = opened
        return f"{row['name']} signs in"

    return check


def _integration(patient: Patient) -> str:
    settings = patient.settings
    name = settings.names.integration
    rows = patient.setup.rows(f"desc integration {name}")
    told = {row["property"]: row["property_value"] for row in rows}
    patient.integration = told
    if told.get("ENABLED", "").lower() != "true":
        raise Wrong(
            f"{name} is switched off", f"alter integration {name} set enabled = true"
        )
    locations = told.get("STORAGE_ALLOWED_LOCATIONS", "").replace("'", "").split(",")
    if not any(
        location.strip() and settings.landing_url.startswith(location.strip())
        for location in locations
    ):
        raise Wrong(
            f"{name} does not allow {settings.landing_url}, but {', '.join(locations)}",
            SNOWFLAKE_SETUP + ", after its history of R__storage_integration.sql was"
            " deleted; or alter the integration by hand",
        )
    role_arn = told.get("STORAGE_AWS_ROLE_ARN", "")
    made = patient.deployed.outputs.get("SnowflakeRoleArn") if patient.deployed else ""
    if made and role_arn != made:
        raise Wrong(
            f"{name} assumes {role_arn}, the stack has made {made}",
            f"alter integration {name} set storage_aws_role_arn = '{made}'",
        )
    return f"{name} is enabled, for {settings.landing_url}, as {role_arn}"


def _trust(patient: Patient) -> str:
    """Who may assume the role that Snowflake assumes: Snowflake, and nobody else."""
    told = patient.integration
    if not told.get("STORAGE_AWS_ROLE_ARN"):
        raise LeftOut("the integration names no role")
    name = told["STORAGE_AWS_ROLE_ARN"].rpartition("/")[2]
    with aws_errors(f"reading the role {name}"):
        role = client(patient.settings, "iam").get_role(RoleName=name)["Role"]
    allowed = [
        statement
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    wanted = (
        told["STORAGE_AWS_IAM_USER_ARN"],
        {"StringEquals": {"sts:ExternalId": told["STORAGE_AWS_EXTERNAL_ID"]}},
    )
    found = [(s.get("Principal", {}).get("AWS"), s.get("Condition")) for s in allowed]
    if wanted not in found:
        raise Wrong(
            f"{name} does not trust Snowflake's user with the external id of the"
            " integration: it was replaced, or the trust was changed",
            CLOUD_SETUP + "; if it changes nothing, put back the role's trust policy"
            " (aws cloudformation detect-stack-drift)",
        )
    if len(found) > 1:
        raise Wrong(
            f"{name} trusts others besides Snowflake",
            "remove the other statements of its trust policy",
        )
    return f"{name} trusts Snowflake's user, with the external id"


def _stage(patient: Patient) -> str:
    settings = patient.settings
    stage = f"@{settings.names.raw}.landing"
    try:
        listed = patient.setup.rows(f"list {stage}/ledger/")
    except SnowflakeError as error:
        mend = (
            SNOWFLAKE_SETUP
            if "does not exist" in str(error)
            else f"mend the role's trust and policy: {CLOUD_SETUP}"
        )
        raise Wrong(f"{stage} cannot be listed: {error}", mend) from error
    with aws_errors(f"listing s3://{settings.bucket}"):
        pages = (
            client(settings, "s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=settings.bucket, Prefix=f"{settings.prefix}ledger/")
        )
        there = sum(page.get("KeyCount", 0) for page in pages)
    if len(listed) < there:
        raise Wrong(
            f"{stage} shows {len(listed)} of {there} ledger files: it points elsewhere"
            f" than {settings.landing_url}",
            f"alter stage {settings.names.raw}.landing set"
            f" url = '{settings.landing_url}'",
        )
    return f"{stage} shows {len(listed)} ledger files"


def _pipes(patient: Patient) -> str:
    raw = Raw(patient.setup, patient.settings)
    rows = patient.setup.rows(f"show pipes in schema {patient.settings.names.raw}")
    shown = {row["name"].lower(): row for row in rows}
    waiting = 0
    for table in COLUMNS:
        pipe = raw.pipe(table)
        if f"{table}_pipe" not in shown:
            raise Wrong(f"there is no {pipe}", SNOWFLAKE_SETUP)
        if not shown[f"{table}_pipe"]["notification_channel"]:
            raise Wrong(
                f"{pipe} has no channel: it was made without auto_ingest",
                f"drop pipe {pipe}, then {SNOWFLAKE_SETUP}, then make load-missing",
            )
        patient.queue = shown[f"{table}_pipe"]["notification_channel"]
        status = patient.setup.pipe_status(pipe)
        state = status.get("executionState")
        if state == "PAUSED":
            raise Wrong(
                f"{pipe} is paused",
                f"alter pipe {pipe} set pipe_execution_paused = false",
            )
        if state != "RUNNING":
            raise Wrong(
                f"{pipe} is {state}: {status.get('error', '')}", SNOWFLAKE_SETUP
            )
        waiting += status.get("pendingFileCount") or 0
    return f"both run, {waiting} files wait in them"


def _notification(patient: Patient) -> str:
    settings = patient.settings
    if not patient.queue:
        raise LeftOut("no queue of the pipes is known")
    with aws_errors(f"reading the notifications of {settings.bucket}"):
        told = client(settings, "s3").get_bucket_notification_configuration(
            Bucket=settings.bucket
        )
    prefixes = {
        rule["Value"]
        for queue in told.get("QueueConfigurations", [])
        if queue["QueueArn"] == patient.queue
        and any(event.startswith("s3:ObjectCreated:") for event in queue["Events"])
        for rule in queue.get("Filter", {}).get("Key", {}).get("FilterRules", [])
        if rule["Name"].lower() == "prefix"
    }
    missing = {f"{settings.prefix}{table}/" for table in COLUMNS} - prefixes
    if missing:
        raise Wrong(
            "the bucket does not tell the pipes' queue of"
            f" {', '.join(sorted(missing))}",
            CLOUD_SETUP + "; if it changes nothing, put back the bucket's notifications"
            " (aws cloudformation detect-stack-drift); then make load-missing",
        )
    return "the bucket tells the pipes' queue of events/ and ledger/"


def _raw_tables(patient: Patient) -> str:
    names = patient.settings.names
    for table, wanted in COLUMNS.items():
        try:
            rows = patient.setup.rows(f"describe table {names.raw}.{table}")
        except SnowflakeError as error:
            raise Wrong(f"{names.raw}.{table}: {error}", SNOWFLAKE_SETUP) from error
        missing = wanted - {row["name"].lower() for row in rows}
        if missing:
            raise Wrong(
                f"{names.raw}.{table} has no {', '.join(sorted(missing))}: it was made"
                " otherwise",
                f"alter table {names.raw}.{table} add column …, as in"
                " snowflake_setup/load/V1.1.0__raw_tables.sql",
            )
    for role in (names.loader_role, names.transformer_role):
        for table in COLUMNS:
            try:
                patient.session(role).rows(
                    f"select filename from {names.raw}.{table} limit 1"
                )
            except SnowflakeError as error:
                raise Wrong(
                    f"{role} cannot read it: {error}", SNOWFLAKE_SETUP
                ) from error
    return f"{names.raw}.events and {names.raw}.ledger are there and read"


def _dbt(patient: Patient) -> str:
    project = Path(__file__).parents[1] / "dbt"
    token = {}
    if patient.settings.sign_in.authenticator == "workload_identity":
        token = {"SNOWFLAKE_TOKEN": patient.settings.sign_in.token or github_token()}
    try:
        finished = subprocess.run(
            [Path(sys.executable).with_name("dbt"), "debug", "--target", "snowflake"],
            env=os.environ
            | {
                "DBT_PROJECT_DIR": str(project),
                "DBT_PROFILES_DIR": str(project),
                "DBT_LOG_PATH": str(project.parent / "logs"),
                "TARGET": "snowflake",
            }
            | token,
            capture_output=True,
            text=True,
            timeout=DBT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Wrong("dbt debug does not end", "dbt debug --target snowflake") from None
    if finished.returncode:
        lines = [line.strip() for line in finished.stdout.splitlines() if line.strip()]
        told = [line for line in lines if "rror" in line or line[:1].isdigit()]
        raise Wrong(
            f"dbt cannot connect: {' '.join(told[-3:])[-300:]}",
            "check SNOWFLAKE_ROLE, SNOWFLAKE_WAREHOUSE, SNOWFLAKE_DATABASE and the key;"
            f" then {SNOWFLAKE_SETUP}",
        )
    return f"connects as {patient.settings.names.transformer_role}"


def _load(patient: Patient) -> str:
    try:
        files = expected_files(open_landing(patient.settings))
    except LandingError as error:
        raise Wrong(str(error), "make ledger") from error
    raw = Raw(patient.session(patient.settings.names.loader_role), patient.settings)
    comparison = raw.compare(files)
    if not comparison.is_complete:
        named = first(comparison.problems(raw.history()))
        raise Wrong(
            "; ".join([str(comparison), *named]), "make wait-loaded, make load-missing"
        )
    return str(comparison)


CHECKS: dict[str, Callable[[Patient], str]] = {
    "settings": _settings,
    "Amplitude": _amplitude,
    "AWS": _aws,
    "stack": _stack,
    "bucket": _bucket,
    "Snowflake, setup role": _snowflake("setup_role"),
    "Snowflake, loader role": _snowflake("loader_role"),
    "Snowflake, transformer role": _snowflake("transformer_role"),
    "storage integration": _integration,
    "AWS role's trust": _trust,
    "stage": _stage,
    "pipes": _pipes,
    "notification": _notification,
    "raw tables": _raw_tables,
    "dbt": _dbt,
    "ledger against raw": _load,
}
