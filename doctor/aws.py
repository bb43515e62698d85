"""The links in AWS: sign-in, stack, bucket, rights, trust, notification."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from doctor.checks import (
    CLOUD_SETUP,
    LOAD_MISSING,
    CheckFailed,
    CheckSkipped,
    Context,
    aws_command,
)
from snowflake_setup.loads import TABLES
from snowflake_setup.stack import WELL, AwsError, Stack, aws_errors

LANDS = [
    ("s3:PutObject", "events/"),
    ("s3:PutObject", "ledger/"),
    ("s3:PutObject", "limits/"),
    ("s3:PutObject", "erasures/"),
    ("s3:GetObject", "events/"),
    ("s3:GetObject", "ledger/"),
    ("s3:GetObject", "limits/"),
    ("s3:GetObject", "erasures/"),
]
CLOSED = (
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "IgnorePublicAcls",
    "RestrictPublicBuckets",
)
OTHER_NOTICES = (
    "TopicConfigurations",
    "LambdaFunctionConfigurations",
    "EventBridgeConfiguration",
)


def signs_in(context: Context) -> str:
    with aws_errors("signing in to AWS"):
        who = context.client("sts").get_caller_identity()
    context.account, context.caller = who["Account"], who["Arn"]
    return who["Arn"]


def stack_is_made(context: Context) -> str:
    settings = context.settings
    stack = Stack(settings)
    deployed = stack.deployed()
    if not deployed:
        raise CheckFailed(
            f"there is no stack {settings.stack} in {settings.aws_region}: AWS_REGION"
            " is another one than it was made in, or it was not made",
            CLOUD_SETUP,
        )
    context.deployed = deployed
    if deployed.status not in WELL:
        raise CheckFailed(f"{settings.stack} is {deployed.status}", CLOUD_SETUP)
    wanted = stack.parameters(deployed)
    other = [name for name in wanted if wanted[name] != deployed.parameters.get(name)]
    if other:
        raise CheckFailed(
            f"{settings.stack} was deployed with other settings: {', '.join(other)}",
            CLOUD_SETUP,
        )
    return f"{settings.stack} is {deployed.status}"


def bucket(context: Context) -> str:
    settings = context.settings
    bucket = settings.bucket
    s3 = context.client("s3")
    owner = {"ExpectedBucketOwner": context.account} if context.account else {}
    try:
        with aws_errors(f"listing s3://{bucket}/{settings.prefix}"):
            s3.list_objects_v2(
                Bucket=bucket, Prefix=settings.prefix, MaxKeys=1, **owner
            )
    except AwsError as error:
        if error.code == "NoSuchBucket":
            raise CheckFailed(str(error), CLOUD_SETUP) from error
        if error.code in ("AccessDenied", "403"):
            raise CheckFailed(
                f"{error}: the bucket is another account's than {context.account}, or"
                f" {context.caller} may not list it",
                "set a name of your own in LANDING, or sign in as a user who may list"
                " it (AWS_PROFILE in .env)",
            ) from error
        raise
    with aws_errors(f"reading the configuration of {bucket}"):
        region = s3.get_bucket_location(Bucket=bucket).get("LocationConstraint")
        region = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(
            region, region
        )
        if region != settings.aws_region:
            raise CheckFailed(
                f"{bucket} is in {region}, AWS_REGION is {settings.aws_region}",
                f"set AWS_REGION={region} in .env",
            )
        faults = list(_bucket_faults(s3, bucket))
    if faults:
        words = ", ".join(fault for fault, _ in faults)
        raise CheckFailed(
            f"{bucket} {words}: it was changed after its creation",
            *(fix for _, fix in faults),
        )
    return f"{bucket} is encrypted, versioned, TLS only, closed to the public"


def _bucket_faults(s3: Any, bucket: str) -> Iterator[tuple[str, str]]:
    """What differs from the template, and the command that restores it."""
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        yield (
            "is not versioned",
            aws_command(
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
            aws_command(
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
            aws_command(
                "s3api",
                "put-public-access-block",
                bucket=bucket,
                public_access_block_configuration=dict.fromkeys(CLOSED, True),
            ),
        )
    reported = _or_none(s3.get_bucket_policy, bucket)
    policy = json.loads(reported["Policy"]) if reported else {"Version": "2012-10-17"}
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
            aws_command(
                "s3api",
                "put-bucket-policy",
                bucket=bucket,
                policy=json.dumps(policy | {"Statement": [*statements, refusal]}),
            ),
        )


def _or_none(get: Callable, bucket: str) -> dict[str, Any] | None:
    """A part of the configuration; None if it was never created."""
    try:
        with aws_errors(""):
            return get(Bucket=bucket)
    except AwsError as error:
        if error.code.startswith("NoSuch") or error.code.endswith("NotFoundError"):
            return None
        raise


def _listed(value: object) -> list[Any]:
    """A part of a policy as a list; policies may have one value without a list."""
    return value if isinstance(value, list) else [value]


def _refuses_plain_http(statements: list[dict[str, Any]]) -> bool:
    return any(
        statement.get("Effect") == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and "s3:*" in _listed(statement.get("Action"))
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in statements
    )


def may_land(context: Context) -> str:
    """Asks IAM who may write the landing, without writing anything."""
    settings = context.settings
    if not context.caller:
        raise CheckSkipped("not signed in to AWS")
    iam = context.client("iam")
    who = {}
    made = context.deployed.outputs.get("GitHubRoleArn") if context.deployed else None
    if made:
        who["the workflow"] = made
    # The root user may do all, and IAM does not judge it.
    if not context.caller.endswith(":root"):
        who["you"] = _identity_of(iam, context.caller)
    refused = [
        f"{name} may not {action} {folder}* ({arn})"
        for name, arn in who.items()
        for action, folder in LANDS
        if not _may(iam, arn, action, f"{settings.bucket}/{settings.prefix}{folder}x")
    ]
    if refused:
        raise CheckFailed(
            "; ".join(refused),
            "give it the rights of GitHubRole in snowflake_setup/aws/landing.yml",
            aws_command(
                "cloudformation", "detect-stack-drift", stack_name=settings.stack
            ),
        )
    return f"{' and '.join(who) or 'the root user'} may write the landing"


def _identity_of(iam: Any, caller: str) -> str:
    """The IAM user or role that is signed in."""
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
            raise CheckSkipped(
                "you may not ask IAM (iam:SimulatePrincipalPolicy)"
            ) from None
        raise
    return all(
        result["EvalDecision"] == "allowed" for result in answer["EvaluationResults"]
    )


def trust(context: Context) -> str:
    """Only Snowflake may assume the role that Snowflake assumes."""
    reported = context.integration
    if not reported.get("STORAGE_AWS_ROLE_ARN"):
        raise CheckSkipped("the integration names no role")
    name = reported["STORAGE_AWS_ROLE_ARN"].rpartition("/")[2]
    with aws_errors(f"reading the role {name}"):
        role = context.client("iam").get_role(RoleName=name)["Role"]
    user, external_id = (
        reported["STORAGE_AWS_IAM_USER_ARN"],
        reported["STORAGE_AWS_EXTERNAL_ID"],
    )
    wanted = {
        "Effect": "Allow",
        "Principal": {"AWS": user},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": external_id}},
    }
    policy = {"Version": "2012-10-17", "Statement": [wanted]}
    fix = aws_command(
        "iam",
        "update-assume-role-policy",
        role_name=name,
        policy_document=json.dumps(policy),
    )
    have = context.deployed.parameters if context.deployed else {}
    if (user, external_id) != (
        have.get("SnowflakeUserArn", user),
        have.get("SnowflakeExternalId", external_id),
    ):
        fix = CLOUD_SETUP  # the stack does not know it yet
    statements = [
        {part: value for part, value in statement.items() if part != "Sid"}
        for statement in _listed(role["AssumeRolePolicyDocument"]["Statement"])
    ]
    if wanted not in statements:
        raise CheckFailed(
            f"{name} does not trust Snowflake's user with the external id of the"
            " integration: it was replaced, or the trust was changed",
            fix,
        )
    if len(statements) > 1:
        raise CheckFailed(f"{name} trusts others besides Snowflake, or denies", fix)
    return f"{name} trusts Snowflake's user, with the external id"


def notification(context: Context) -> str:
    settings = context.settings
    if not context.queue:
        raise CheckSkipped("the queue of the pipes is unknown")
    with aws_errors(f"reading the notifications of {settings.bucket}"):
        reported = context.client("s3").get_bucket_notification_configuration(
            Bucket=settings.bucket
        )
    queues = reported.get("QueueConfigurations", [])
    folders = [f"{settings.prefix}{table}/" for table in TABLES]
    missing = [
        folder
        for folder in folders
        if not any(_tells(queue, context.queue, folder) for queue in queues)
    ]
    if missing:
        fix = CLOUD_SETUP
        have = context.deployed.parameters if context.deployed else {}
        if have.get("PipeQueueArn") == context.queue:
            # The stack is as it was deployed: CloudFormation sees nothing to do.
            fix = aws_command(
                "s3api",
                "put-bucket-notification-configuration",
                bucket=settings.bucket,
                notification_configuration=_with_notices(
                    reported, folders, context.queue
                ),
            )
        raise CheckFailed(
            "the bucket sends the pipes' queue no notifications for"
            f" {', '.join(missing)}",
            fix,
            LOAD_MISSING,
        )
    return "the bucket notifies the pipes' queue of events/ and ledger/"


def _rules(queue: dict[str, Any]) -> dict[str, str]:
    rules = queue.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return {rule["Name"].lower(): rule["Value"] for rule in rules}


def _tells(queue: dict[str, Any], arn: str, folder: str) -> bool:
    """Whether the queue gets a notification for each object of the folder."""
    rules = _rules(queue)
    return (
        queue["QueueArn"] == arn
        and bool({"s3:ObjectCreated:*", "s3:ObjectCreated:Put"} & set(queue["Events"]))
        and folder.startswith(rules.get("prefix", ""))
        and not rules.get("suffix")
    )


def _with_notices(
    reported: dict[str, Any], folders: list[str], arn: str
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
    kept = [
        queue for queue in reported.get("QueueConfigurations", []) if is_beside(queue)
    ]
    others = {name: value for name, value in reported.items() if name in OTHER_NOTICES}
    return others | {"QueueConfigurations": [*kept, *ours]}
