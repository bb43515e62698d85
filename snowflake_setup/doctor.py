"""make doctor: looks at every link between Amplitude and the models, changing none.

A check is a function that returns what is well, or raises Wrong with what is not and
the command that mends it. A check that needs something an earlier one has not found is
left out, with a word on why.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests

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
from snowflake_setup.deploy import wanted_grants
from snowflake_setup.expected import expected_files
from snowflake_setup.loads import Raw, first
from snowflake_setup.session import (
    DOES_NOT_EXIST,
    Session,
    SnowflakeError,
    github_token,
    session,
)
from snowflake_setup.settings import CloudSettings
from snowflake_setup.stack import (
    WELL,
    AwsError,
    Deployed,
    Stack,
    aws_errors,
    client,
)

CLOUD_SETUP = "make cloud-setup"
# Runs the SQL again, also that which has run: what was dropped or revoked comes back.
AGAIN = "make cloud-setup AGAIN=1"
LOAD_MISSING = "make load-missing"
COLUMNS = {
    "events": {
        "raw_json": "variant",
        "filename": "varchar",
        "file_row_number": "number",
        "file_content_key": "varchar",
        "file_last_modified": "timestamp_ntz",
        "loaded_at": "timestamp_ntz",
    },
    "ledger": {
        "raw_json": "variant",
        "filename": "varchar",
        "file_row_number": "number",
        "loaded_at": "timestamp_ntz",
    },
}
DBT_SECONDS = 180
# For a look at where Amplitude is, whoever asks.
UNKEYED = {"AMP_API_KEY": "-", "AMP_SECRET_KEY": "-"}
# Snowflake and AWS refuse what is signed at another time than theirs; the first after
# about a minute.
CLOCK_MAY_DIFFER_SECONDS = 60
# Errors of signing in, of https://docs.snowflake.com/en/user-guide/key-pair-auth-troubleshooting
ROLE_NOT_GRANTED = 390189
KEY_REFUSED = (390144, 394300, 394301, 394302, 394303, 394304)


class Wrong(Exception):
    """A link does not hold: what is wrong, and what mends it, a command or a sentence
    each."""

    def __init__(self, message: str, *mends: str) -> None:
        super().__init__(message)
        self.mends = mends


class LeftOut(Exception):
    """A link cannot be looked at as things are; the message says why."""


@dataclass
class Patient:
    """What is looked at, and what the checks have found so far."""

    settings: CloudSettings
    open: ExitStack
    account: str = ""
    caller: str = ""
    deployed: Deployed | None = None
    integration: dict[str, str] = field(default_factory=dict)
    queue: str = ""
    sessions: dict[str, Session] = field(default_factory=dict)
    is_signed_out: bool = False

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
    mends: tuple[str, ...] = ()

    def __str__(self) -> str:
        word = {True: "ok", False: "WRONG", None: "-"}[self.is_well]
        lines = [f"{word:<6} {self.link}: {' '.join(self.message.split())}"]
        return "\n       mend: ".join([*lines, *self.mends])


def examine(settings: CloudSettings) -> Iterator[Finding]:
    """Look at each link in the order in which an event passes them."""
    with ExitStack() as stack:
        patient = Patient(settings, stack)
        for link, check in CHECKS.items():
            try:
                yield Finding(link, True, check(patient))
            except Wrong as wrong:
                yield Finding(link, False, str(wrong), wrong.mends)
            except LeftOut as left_out:
                yield Finding(link, None, f"not looked at: {left_out}")
            except SettingsError as error:
                yield Finding(link, False, str(error), ("set it in .env",))
            except AwsError as error:
                yield Finding(link, False, str(error), _aws_mends(error))
            except SnowflakeError as error:
                yield Finding(link, False, str(error), (AGAIN,))
            except LandingError as error:
                yield Finding(link, False, str(error), _aws_mends(error))
            except Exception as error:
                # Whatever it is, the links after it are looked at.
                message = f"unexpected {type(error).__name__}: {error}"
                yield Finding(link, False, message, ("report it, with this line",))


def _aws_mends(error: Exception) -> tuple[str, ...]:
    said = str(error)
    if "Expired" in said or "expired" in said:
        return ("aws sso login",)
    if "TimeTooSkewed" in said or "not yet current" in said:
        return ("sudo timedatectl set-ntp true",)
    if "AccessDenied" in said or "not authorized" in said:
        return ("sign in to AWS as somebody who may: AWS_PROFILE in .env",)
    return ("check AWS_PROFILE or the AWS keys, AWS_REGION, the network",)


def _aws_command(service: str, action: str, **options: object) -> str:
    """A command of the AWS CLI, quoted for the shell."""
    words = ["aws", service, action]
    for name, value in options.items():
        text = value if isinstance(value, str) else json.dumps(value)
        words += [f"--{name.replace('_', '-')}", text]
    return shlex.join(words)


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


def _clock(patient: Patient) -> str:
    """By the clock of Amplitude's server, which needs no keys to tell it."""
    url = Settings.read(patient.settings.given | UNKEYED).export_url
    try:
        told = requests.head(url, timeout=(10, 10)).headers["Date"]
    except (requests.RequestException, KeyError):
        raise LeftOut(f"{url} does not tell the time") from None
    ahead = (datetime.now(UTC) - parsedate_to_datetime(told)).total_seconds()
    if abs(ahead) > CLOCK_MAY_DIFFER_SECONDS:
        raise Wrong(
            f"this machine's clock is {abs(ahead):.0f} s"
            f" {'ahead' if ahead > 0 else 'behind'}: AWS and Snowflake refuse what it"
            " signs",
            "sudo timedatectl set-ntp true",
        )
    return "right within a minute"


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
    patient.account, patient.caller = who["Account"], who["Arn"]
    return who["Arn"]


def _stack(patient: Patient) -> str:
    settings = patient.settings
    stack = Stack(settings)
    deployed = stack.deployed()
    if not deployed:
        raise Wrong(
            f"there is no stack {settings.stack} in {settings.aws_region}: AWS_REGION"
            " is another one than it was made in, or it was not made",
            CLOUD_SETUP,
        )
    patient.deployed = deployed
    if deployed.status not in WELL:
        raise Wrong(f"{settings.stack} is {deployed.status}", CLOUD_SETUP)
    wanted = stack.parameters(deployed)
    other = [name for name in wanted if wanted[name] != deployed.parameters.get(name)]
    if other:
        raise Wrong(
            f"{settings.stack} was deployed with other settings: {', '.join(other)}",
            CLOUD_SETUP,
        )
    return f"{settings.stack} is {deployed.status}"


def _bucket(patient: Patient) -> str:
    settings = patient.settings
    bucket = settings.bucket
    s3 = client(settings, "s3")
    owner = {"ExpectedBucketOwner": patient.account} if patient.account else {}
    try:
        with aws_errors(f"listing s3://{bucket}/{settings.prefix}"):
            s3.list_objects_v2(
                Bucket=bucket, Prefix=settings.prefix, MaxKeys=1, **owner
            )
    except AwsError as error:
        if error.code == "NoSuchBucket":
            raise Wrong(str(error), CLOUD_SETUP) from error
        if error.code in ("AccessDenied", "403"):
            raise Wrong(
                f"{error}: the bucket is another account's than {patient.account}, or"
                f" {patient.caller} may not list it",
                "set a name of your own in LANDING, or sign in as somebody who may list"
                " it (AWS_PROFILE in .env)",
            ) from error
        raise
    with aws_errors(f"reading the configuration of {bucket}"):
        region = s3.get_bucket_location(Bucket=bucket).get("LocationConstraint")
        region = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(
            region, region
        )
        if region != settings.aws_region:
            raise Wrong(
                f"{bucket} is in {region}, AWS_REGION is {settings.aws_region}",
                f"set AWS_REGION={region} in .env",
            )
        faults = list(_bucket_faults(s3, bucket))
    if faults:
        words = ", ".join(fault for fault, _ in faults)
        raise Wrong(
            f"{bucket} {words}: it was changed since it was made",
            *(mend for _, mend in faults),
        )
    return f"{bucket} is encrypted, versioned, TLS only, closed to the public"


def _bucket_faults(s3: Any, bucket: str) -> Iterator[tuple[str, str]]:
    """What is not as the template has it, and the command that puts it back."""
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        yield (
            "is not versioned",
            _aws_command(
                "s3api",
                "put-bucket-versioning",
                bucket=bucket,
                versioning_configuration={"Status": "Enabled"},
            ),
        )
    if not _or_none(s3.get_bucket_encryption, bucket):
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        yield (
            "is not encrypted",
            _aws_command(
                "s3api",
                "put-bucket-encryption",
                bucket=bucket,
                server_side_encryption_configuration={"Rules": [rule]},
            ),
        )
    block = _or_none(s3.get_public_access_block, bucket) or {}
    flags = block.get("PublicAccessBlockConfiguration", {})
    if not all(flags.get(flag) for flag in CLOSED):
        yield (
            "may be opened to the public",
            _aws_command(
                "s3api",
                "put-public-access-block",
                bucket=bucket,
                public_access_block_configuration=dict.fromkeys(CLOSED, True),
            ),
        )
    told = _or_none(s3.get_bucket_policy, bucket)
    policy = json.loads(told["Policy"]) if told else {"Version": "2012-10-17"}
    statements = _listed(policy.get("Statement", []))
    if not _refuses_plain_http(statements):
        arn = f"arn:aws:s3:::{bucket}"
        refusal = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        yield (
            "takes connections without TLS",
            _aws_command(
                "s3api",
                "put-bucket-policy",
                bucket=bucket,
                policy=json.dumps(policy | {"Statement": [*statements, refusal]}),
            ),
        )


CLOSED = (
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "IgnorePublicAcls",
    "RestrictPublicBuckets",
)


def _or_none(get: Callable, bucket: str) -> dict[str, Any] | None:
    """A part of the configuration; None if it was never made."""
    try:
        with aws_errors(""):
            return get(Bucket=bucket)
    except AwsError as error:
        if error.code.startswith("NoSuch") or error.code.endswith("NotFoundError"):
            return None
        raise


def _listed(value: object) -> list[Any]:
    """A part of a policy, of which one may stand for a list of one."""
    return value if isinstance(value, list) else [value]


def _refuses_plain_http(statements: list[dict[str, Any]]) -> bool:
    return any(
        statement.get("Effect") == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and "s3:*" in _listed(statement.get("Action"))
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in statements
    )


def _writing(patient: Patient) -> str:
    """Asks IAM who may land, without landing anything."""
    settings = patient.settings
    if not patient.caller:
        raise LeftOut("there is no sign-in to AWS")
    iam = client(settings, "iam")
    who = {}
    made = patient.deployed.outputs.get("GitHubRoleArn") if patient.deployed else None
    if made:
        who["the workflow"] = made
    # The root user may do all, and IAM does not judge it.
    if not patient.caller.endswith(":root"):
        who["you"] = _identity_of(iam, patient.caller)
    refused = [
        f"{name} may not {action} {folder}* ({arn})"
        for name, arn in who.items()
        for action, folder in LANDS
        if not _may(iam, arn, action, f"{settings.bucket}/{settings.prefix}{folder}x")
    ]
    if refused:
        raise Wrong(
            "; ".join(refused),
            "give it the rights of GitHubRole in snowflake_setup/aws/landing.yml",
            _aws_command(
                "cloudformation", "detect-stack-drift", stack_name=settings.stack
            ),
        )
    return f"{' and '.join(who) or 'the root user'} may land files"


LANDS = [
    ("s3:PutObject", "events/"),
    ("s3:PutObject", "ledger/"),
    ("s3:PutObject", "limits/"),
    ("s3:GetObject", "ledger/"),
    ("s3:GetObject", "limits/"),
]


def _identity_of(iam: Any, caller: str) -> str:
    """The user or role that IAM knows, of whoever is signed in."""
    kind, _, name = caller.rpartition(":")[2].partition("/")
    if kind != "assumed-role":
        return caller
    with aws_errors(f"reading the role {name}"):
        return iam.get_role(RoleName=name.partition("/")[0])["Role"]["Arn"]


def _may(iam: Any, arn: str, action: str, key: str) -> bool:
    try:
        with aws_errors(f"asking what {arn} may do"):
            answer = iam.simulate_principal_policy(
                PolicySourceArn=arn,
                ActionNames=[action],
                ResourceArns=[f"arn:aws:s3:::{key}"],
            )
    except AwsError as error:
        if error.code in ("AccessDenied", "AccessDeniedException"):
            raise LeftOut("you may not ask IAM (iam:SimulatePrincipalPolicy)") from None
        raise
    return all(
        result["EvalDecision"] == "allowed" for result in answer["EvaluationResults"]
    )


def _snowflake(role: str) -> Callable[[Patient], str]:
    def check(patient: Patient) -> str:
        name = getattr(patient.settings.names, role)
        if patient.is_signed_out:
            raise LeftOut("nobody can sign in")
        try:
            opened = patient.open.enter_context(session(patient.settings, name))
            [row] = opened.rows("select current_user() as name")
        except SnowflakeError as error:
            patient.is_signed_out = error.number != ROLE_NOT_GRANTED
            raise Wrong(
                str(error), *_sign_in_mends(error.number, name, patient.settings)
            ) from error
        patient.sessions[name] = opened
        return f"{row['name']} signs in"

    return check


def _sign_in_mends(
    number: int | None, role: str, settings: CloudSettings
) -> tuple[str, ...]:
    user = settings.sign_in.user
    if number == ROLE_NOT_GRANTED:
        return (AGAIN, f'grant role {role} to user "{user}"')
    if number in KEY_REFUSED:
        return (
            f'openssl pkey -pubout -in "{settings.sign_in.private_key_path}"',
            f"alter user \"{user}\" set rsa_public_key = '…', with what that prints"
            " between its first and last line",
        )
    return (
        "check SNOWFLAKE_ACCOUNT (organisation-account, no address), SNOWFLAKE_USER,"
        " how you sign in, and the network",
    )


def _warehouses(patient: Patient) -> str:
    names = patient.settings.names
    for role, wanted in (
        (names.loader_role, names.warehouse),
        (names.transformer_role, names.warehouse),
        (names.transformer_role, names.dev_warehouse),
    ):
        rows = patient.session(role).rows(f"show warehouses like '{wanted}'")
        found = [row for row in rows if row["name"].lower() == wanted]
        if not found:
            raise Wrong(f"{role} has no warehouse {wanted}", AGAIN)
        if str(found[0].get("auto_resume", "true")).lower() != "true":
            raise Wrong(
                f"{wanted} is {found[0]['state'].lower()} and does not start by itself",
                f"alter warehouse {wanted} set auto_resume = true",
            )
    return f"{names.warehouse} and {names.dev_warehouse} start by themselves"


def _integration(patient: Patient) -> str:
    settings = patient.settings
    name = settings.names.integration
    rows = patient.setup.rows(f"desc integration {name}")
    told = {row["property"]: str(row["property_value"] or "") for row in rows}
    patient.integration = told
    alter = f"alter storage integration {name} set"
    faults = {}
    if told.get("ENABLED", "").lower() != "true":
        faults["is switched off"] = f"{alter} enabled = true"
    url = settings.landing_url
    allowed = _locations(told.get("STORAGE_ALLOWED_LOCATIONS", ""))
    if not _covers(allowed, url):
        listed = ", ".join(f"'{location}'" for location in [*allowed, url])
        faults[f"does not allow {url}, but {', '.join(allowed) or 'nothing'}"] = (
            f"{alter} storage_allowed_locations = ({listed})"
        )
    blocked = _locations(told.get("STORAGE_BLOCKED_LOCATIONS", ""))
    if any(_covers([one], url) or one.startswith(url) for one in blocked):
        faults[f"blocks {', '.join(blocked)}"] = (
            f"alter storage integration {name} unset storage_blocked_locations"
        )
    role_arn = told.get("STORAGE_AWS_ROLE_ARN", "")
    made = patient.deployed.outputs.get("SnowflakeRoleArn") if patient.deployed else ""
    if made and role_arn != made:
        faults[f"assumes {role_arn}, the stack has made {made}"] = (
            f"{alter} storage_aws_role_arn = '{made}'"
        )
    if faults:
        raise Wrong(f"{name} {'; '.join(faults)}", *faults.values())
    return f"{name} is enabled, for {url}, as {role_arn}"


def _locations(text: str) -> list[str]:
    return [one for one in (part.strip(" '[]\"") for part in text.split(",")) if one]


def _covers(locations: Iterable[str], url: str) -> bool:
    return any(one == "*" or url.startswith(one) for one in locations)


def _trust(patient: Patient) -> str:
    """Who may assume the role that Snowflake assumes: Snowflake, and nobody else."""
    told = patient.integration
    if not told.get("STORAGE_AWS_ROLE_ARN"):
        raise LeftOut("the integration names no role")
    name = told["STORAGE_AWS_ROLE_ARN"].rpartition("/")[2]
    with aws_errors(f"reading the role {name}"):
        role = client(patient.settings, "iam").get_role(RoleName=name)["Role"]
    user, external_id = (
        told["STORAGE_AWS_IAM_USER_ARN"],
        told["STORAGE_AWS_EXTERNAL_ID"],
    )
    wanted = {
        "Effect": "Allow",
        "Principal": {"AWS": user},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
    }
    policy = {"Version": "2012-10-17", "Statement": [wanted]}
    mend = _aws_command(
        "iam",
        "update-assume-role-policy",
        role_name=name,
        policy_document=json.dumps(policy),
    )
    have = patient.deployed.parameters if patient.deployed else {}
    if (user, external_id) != (
        have.get("SnowflakeUserArn", user),
        have.get("SnowflakeExternalId", external_id),
    ):
        mend = CLOUD_SETUP  # the stack does not know it yet
    statements = [
        {part: value for part, value in statement.items() if part != "Sid"}
        for statement in _listed(role["AssumeRolePolicyDocument"]["Statement"])
    ]
    if wanted not in statements:
        raise Wrong(
            f"{name} does not trust Snowflake's user with the external id of the"
            " integration: it was replaced, or the trust was changed",
            mend,
        )
    if len(statements) > 1:
        raise Wrong(f"{name} trusts others besides Snowflake, or denies", mend)
    return f"{name} trusts Snowflake's user, with the external id"


def _stage(patient: Patient) -> str:
    settings = patient.settings
    name = f"{settings.names.raw}.landing"
    try:
        rows = patient.setup.rows(f"desc stage {name}")
    except SnowflakeError as error:
        mend = AGAIN if error.number == DOES_NOT_EXIST else CLOUD_SETUP
        raise Wrong(f"{name}: {error}", mend) from error
    told = {row["property"].upper(): str(row["property_value"] or "") for row in rows}
    if _locations(told.get("URL", "")) != [settings.landing_url]:
        raise Wrong(
            f"@{name} is at {told.get('URL')}, not {settings.landing_url}",
            f"alter stage {name} set url = '{settings.landing_url}'",
            "make doctor: a pipe stops when its stage moves",
        )
    try:
        listed = patient.session(settings.names.loader_role).rows(
            f"list @{name}/ledger/"
        )
    except SnowflakeError as error:
        raise Wrong(
            f"@{name} cannot be listed: {error}",
            "mend what is wrong above: integration, trust; then, if this stays, the"
            " rights of SnowflakeRole in snowflake_setup/aws/landing.yml",
        ) from error
    with aws_errors(f"listing s3://{settings.bucket}"):
        pages = (
            client(settings, "s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=settings.bucket, Prefix=f"{settings.prefix}ledger/")
        )
        there = sum(page.get("KeyCount", 0) for page in pages)
    if len(listed) < there:
        raise Wrong(
            f"@{name} shows {len(listed)} of {there} ledger files", "make doctor, later"
        )
    return f"@{name} shows {len(listed)} ledger files"


def _pipes(patient: Patient) -> str:
    raw = Raw(patient.setup, patient.settings)
    rows = patient.setup.rows(f"show pipes in schema {patient.settings.names.raw}")
    shown = {row["name"].lower(): row for row in rows}
    waiting, wrong, mends = 0, [], []
    for table in COLUMNS:
        pipe = raw.pipe(table)
        row = shown.get(f"{table}_pipe")
        if not row:
            wrong.append(f"there is no {pipe}")
            mends += [AGAIN, LOAD_MISSING]
            continue
        copied = " ".join(row["definition"].lower().split())
        folder = f"@{patient.settings.names.raw}.landing/{table}/"
        if not row["notification_channel"]:
            wrong.append(f"{pipe} has no channel: it was made without auto_ingest")
            mends += [f"drop pipe {pipe}", AGAIN, LOAD_MISSING]
            continue
        if f"copy into {raw.table(table)} " not in copied or folder not in copied:
            wrong.append(f"{pipe} loads something else: it was made otherwise")
            mends += [f"drop pipe {pipe}", AGAIN, LOAD_MISSING]
            continue
        if patient.queue not in ("", row["notification_channel"]):
            wrong.append(f"the pipes listen to two queues, {pipe} to another")
            mends.append("drop the pipe that is not listened to, then " + AGAIN)
        patient.queue = row["notification_channel"]
        status = patient.setup.pipe_status(pipe)
        waiting += int(status.get("pendingFileCount") or 0)
        state = status.get("executionState")
        if state != "RUNNING":
            said = status.get("error") or status.get("fault") or ""
            wrong.append(f"{pipe} is {state} {said}".strip())
            mends += _pipe_mends(pipe, str(state))
    if wrong:
        raise Wrong("; ".join(wrong), *dict.fromkeys(mends))
    return f"both run, {waiting} files wait in them"


def _pipe_mends(pipe: str, state: str) -> list[str]:
    """https://docs.snowflake.com/en/sql-reference/functions/system_pipe_status"""
    if state == "PAUSED":
        return [f"alter pipe {pipe} set pipe_execution_paused = false", LOAD_MISSING]
    if state in ("STOPPED_STAGE_ALTERED", "STOPPED_CLONED", "STOPPED_STAGE_DROPPED"):
        # It never runs again; raw and make load-missing keep rows from coming twice.
        return [f"drop pipe {pipe}", AGAIN, LOAD_MISSING]
    return [AGAIN, f"select system$pipe_force_resume('{pipe}')", LOAD_MISSING]


def _notification(patient: Patient) -> str:
    settings = patient.settings
    if not patient.queue:
        raise LeftOut("no queue of the pipes is known")
    with aws_errors(f"reading the notifications of {settings.bucket}"):
        told = client(settings, "s3").get_bucket_notification_configuration(
            Bucket=settings.bucket
        )
    queues = told.get("QueueConfigurations", [])
    folders = [f"{settings.prefix}{table}/" for table in COLUMNS]
    missing = [
        folder
        for folder in folders
        if not any(_tells(queue, patient.queue, folder) for queue in queues)
    ]
    if missing:
        mend = CLOUD_SETUP
        have = patient.deployed.parameters if patient.deployed else {}
        if have.get("PipeQueueArn") == patient.queue:
            # The stack is as it was deployed: CloudFormation sees nothing to do.
            mend = _aws_command(
                "s3api",
                "put-bucket-notification-configuration",
                bucket=settings.bucket,
                notification_configuration=_with_notices(told, folders, patient.queue),
            )
        raise Wrong(
            f"the bucket does not tell the pipes' queue of {', '.join(missing)}",
            mend,
            LOAD_MISSING,
        )
    return "the bucket tells the pipes' queue of events/ and ledger/"


def _rules(queue: dict[str, Any]) -> dict[str, str]:
    rules = queue.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return {rule["Name"].lower(): rule["Value"] for rule in rules}


def _tells(queue: dict[str, Any], arn: str, folder: str) -> bool:
    """Whether the queue is told of all that is made in the folder."""
    rules = _rules(queue)
    return (
        queue["QueueArn"] == arn
        and bool({"s3:ObjectCreated:*", "s3:ObjectCreated:Put"} & set(queue["Events"]))
        and folder.startswith(rules.get("prefix", ""))
        and not rules.get("suffix")
    )


def _with_notices(
    told: dict[str, Any], folders: list[str], arn: str
) -> dict[str, object]:
    """The bucket's notifications with the pipes' in the place of what S3 would not
    take beside them, because it is for the same objects."""

    def is_beside(queue: dict[str, Any]) -> bool:
        prefix = _rules(queue).get("prefix", "")
        return not any(f.startswith(prefix) or prefix.startswith(f) for f in folders)

    ours = [
        {
            "QueueArn": arn,
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": folder}]}},
        }
        for folder in folders
    ]
    kept = [queue for queue in told.get("QueueConfigurations", []) if is_beside(queue)]
    others = {name: value for name, value in told.items() if name in OTHER_NOTICES}
    return others | {"QueueConfigurations": [*kept, *ours]}


OTHER_NOTICES = (
    "TopicConfigurations",
    "LambdaFunctionConfigurations",
    "EventBridgeConfiguration",
)


def _raw_tables(patient: Patient) -> str:
    names = patient.settings.names
    wrong, mends = [], []
    for table, wanted in COLUMNS.items():
        name = f"{names.raw}.{table}"
        try:
            rows = patient.setup.rows(f"describe table {name}")
        except SnowflakeError as error:
            wrong.append(f"{name}: {error}")
            mends += [AGAIN, LOAD_MISSING]
            continue
        types = {row["name"].lower(): row["type"].lower() for row in rows}
        for column, type_ in wanted.items():
            if column not in types:
                wrong.append(f"{name} has no {column}: it was made otherwise")
                mends.append(f"alter table {name} add column {column} {type_}")
            elif column == "raw_json" and types[column] != type_:
                wrong.append(f"{name}.{column} is {types[column]}, not {type_}")
                mends += [f"alter table {name} rename to {name}_old", AGAIN]
                mends.append("make load-missing, when the pipes run again")
    if wrong:
        raise Wrong("; ".join(wrong), *dict.fromkeys(mends))
    for role in (names.loader_role, names.transformer_role):
        for table in COLUMNS:
            try:
                patient.session(role).rows(
                    f"select filename from {names.raw}.{table} limit 1"
                )
            except SnowflakeError as error:
                raise Wrong(f"{role} cannot read it: {error}", AGAIN) from error
    return f"{names.raw}.events and {names.raw}.ledger are there and read"


def _grants(patient: Patient) -> str:
    """What the files of snowflake_setup/ grant, against what the roles have."""
    wanted = wanted_grants(patient.settings)
    lacking = []
    for role in sorted({grant[0] for grant in wanted}):
        rows = patient.setup.rows(f"show grants to role {role}")
        have = {
            (
                role,
                row["privilege"].lower(),
                row["granted_on"].lower().replace("_", " "),
                row["name"].replace('"', "").lower(),
            )
            for row in rows
        }
        lacking += [
            f"{role} lacks {privilege} on {kind} {name}"
            for _, privilege, kind, name in sorted(wanted - have)
            if _ == role
        ]
    if lacking:
        raise Wrong("; ".join(first(lacking)), AGAIN)
    return f"the roles have the {len(wanted)} that they need"


def _workflow_user(patient: Patient) -> str:
    names = patient.settings.names
    name = names.ci_user
    rows = patient.setup.rows(f"show users like '{name}'")
    found = [row for row in rows if row["name"].lower() == name]
    if not found:
        raise Wrong(f"there is no user {name}", AGAIN)
    [user] = found
    if str(user.get("disabled") or "false").lower() == "true":
        raise Wrong(
            f"{name} is switched off", f"alter user {name} set disabled = false"
        )
    ways = ("has_rsa_public_key", "has_workload_identity")
    if all(str(user.get(way, "true")).lower() == "false" for way in ways):
        raise Wrong(
            f"{name} has neither a key nor GitHub's identity: it cannot sign in",
            "set SNOWFLAKE_CI_PUBLIC_KEY_PATH or GITHUB_SUBJECT in .env",
            CLOUD_SETUP,
        )
    granted = patient.setup.rows(f"show grants to user {name}")
    have = {str(row["role"]).lower() for row in granted}
    if lacking := {names.loader_role, names.transformer_role} - have:
        raise Wrong(f"{name} lacks the role {', '.join(sorted(lacking))}", AGAIN)
    return f"{name} may load and model"


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
            "check SNOWFLAKE_ROLE, SNOWFLAKE_WAREHOUSE, SNOWFLAKE_DATABASE and the key",
            AGAIN,
        )
    return f"connects as {patient.settings.names.transformer_role}"


def _load(patient: Patient) -> str:
    files = expected_files(open_landing(patient.settings))
    if not files:
        raise Wrong(f"{patient.settings.landing_url} has no ledger yet", "make ingest")
    raw = Raw(patient.session(patient.settings.names.loader_role), patient.settings)
    comparison = raw.compare(files)
    if not comparison.is_complete:
        named = first(comparison.problems(raw.history()))
        raise Wrong(
            "; ".join([str(comparison), *named]), "make wait-loaded", LOAD_MISSING
        )
    return str(comparison)


CHECKS: dict[str, Callable[[Patient], str]] = {
    "settings": _settings,
    "clock": _clock,
    "Amplitude": _amplitude,
    "AWS": _aws,
    "stack": _stack,
    "bucket": _bucket,
    "right to land": _writing,
    "Snowflake, setup role": _snowflake("setup_role"),
    "Snowflake, loader role": _snowflake("loader_role"),
    "Snowflake, transformer role": _snowflake("transformer_role"),
    "warehouses": _warehouses,
    "storage integration": _integration,
    "AWS role's trust": _trust,
    "stage": _stage,
    "pipes": _pipes,
    "notification": _notification,
    "raw tables": _raw_tables,
    "grants": _grants,
    "workflow's user": _workflow_user,
    "dbt": _dbt,
    "ledger against raw": _load,
}
