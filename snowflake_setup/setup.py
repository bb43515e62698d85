"""make cloud-setup: from two empty accounts to a bucket that loads itself.

AWS and Snowflake each need values that only the other has, so the steps alternate:
bucket and roles, integration, the role's trust, stage and pipes, the notification. Each
step checks what exists and adds what is missing, so all may be repeated at any
time, and the next run continues after a failure.
"""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from ingest.settings import SettingsError
from snowflake_setup import deploy
from snowflake_setup.loads import PIPES
from snowflake_setup.session import DOES_NOT_EXIST, SnowflakeError, session
from snowflake_setup.settings import CloudSettings
from snowflake_setup.stack import AwsError, Deployed, Stack

# Variables of the workflow that are printed only if they differ from the default.
OTHER_NAMES = (
    "SNOWFLAKE_ROLE",
    "SNOWFLAKE_LOADER_ROLE",
    "SNOWFLAKE_WAREHOUSE",
    "SNOWFLAKE_RAW_DATABASE",
    "SNOWFLAKE_RAW_SCHEMA",
    "SNOWFLAKE_DATABASE",
    "SNOWFLAKE_MARTS_SCHEMA",
)


def cloud_setup(
    settings: CloudSettings, *, dry_run: bool = False, again: bool = False
) -> Iterator[str]:
    """Create what is missing; a line for each step, done or planned.

    With `again` all SQL runs again.
    Raises SettingsError, AwsError or SnowflakeError: it is safe to run it again.
    """
    settings.require("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER")
    if not settings.aws_region:
        raise SettingsError("AWS_REGION is not set: set it in .env (see .env.example)")
    yield f"1/6 bucket {settings.bucket} and roles, in {settings.aws_region}"
    stack = Stack(settings)
    deployed = stack.deployed()
    deployed = yield from _deploy(stack, deployed, {}, "bucket, roles", dry_run)
    role_arn = deployed.outputs.get("SnowflakeRoleArn", "") if deployed else ""

    yield "2/6 roles, warehouses, databases and the storage integration in Snowflake"
    yield from _indented(
        deploy.deploy(
            settings,
            "account",
            "access",
            role_arn=role_arn,
            dry_run=dry_run,
            again=again,
        )
    )

    name = settings.names.integration
    yield f"3/6 read Snowflake's IAM user and external id: desc integration {name}"
    with _session(settings, dry_run) as snowflake:
        identity = _identity(snowflake, settings)
    if identity:
        yield f"    {identity['SnowflakeUserArn']}, with an external id"
    elif dry_run:
        yield "    is not known before step 2"

    yield "4/6 the trust of the role that Snowflake assumes"
    deployed = yield from _deploy(stack, deployed, identity, "trust", dry_run)

    yield "5/6 file format, raw tables, stage, pipes and grants in Snowflake"
    yield from _indented(
        deploy.deploy(settings, "load", dry_run=dry_run, again=dry_run and again)
    )

    yield "6/6 the bucket's notification to the pipes' queue: show pipes"
    with _session(settings, dry_run) as snowflake:
        queue = _queue(snowflake, settings)
    if queue:
        yield f"    {queue['PipeQueueArn']}"
    elif dry_run:
        yield "    is not known before step 5"
    wanted = identity | queue
    deployed = yield from _deploy(stack, deployed, wanted, "notification", dry_run)
    if not dry_run and deployed:
        yield from _what_next(settings, deployed)


def _indented(lines: Iterator[str]) -> Iterator[str]:
    nothing = True
    for line in lines:
        nothing = False
        yield f"    {line}"
    if nothing:
        yield "    as it should be"


def _deploy(
    stack: Stack,
    deployed: Deployed | None,
    told: dict[str, str],
    what: str,
    dry_run: bool,
) -> Generator[str, None, Deployed | None]:
    """Deploy the stack with the values from Snowflake. Returns its new state."""
    wanted = stack.parameters(deployed) | told
    have = deployed.parameters if deployed else {}
    changed = [name for name in wanted if wanted[name] != have.get(name, "")]
    if dry_run:
        if not deployed:
            yield f"    would make the stack: {what}"
        elif changed:
            yield f"    would change the stack: {', '.join(changed)}"
        else:
            yield "    as it should be, unless the template has changed"
        return deployed
    if stack.deploy(deployed, wanted):
        yield f"    {'changed' if deployed else 'made'} the stack: {what}" + (
            f" ({', '.join(changed)})" if deployed and changed else ""
        )
    else:
        yield "    as it should be"
    return stack.deployed()


class Asked(Protocol):
    """Answers queries: a session, or nothing."""

    def rows(self, sql: str) -> list[dict[str, str]]: ...


class _NoSession:
    """A dry run on an account that has no setup role yet: nothing can be asked."""

    def rows(self, sql: str) -> list[dict[str, str]]:
        return []


@contextmanager
def _session(settings: CloudSettings, dry_run: bool) -> Iterator[Asked]:
    """A session as the setup role; in a dry run there may be no such role yet."""
    with ExitStack() as stack:
        opened: Asked = _NoSession()
        try:
            opened = stack.enter_context(session(settings, settings.names.setup_role))
        except SnowflakeError:
            if not dry_run:
                raise
        yield opened


def _identity(snowflake: Asked, settings: CloudSettings) -> dict[str, str]:
    """Snowflake's IAM user and external id; nothing before there is an integration."""
    try:
        rows = snowflake.rows(f"desc integration {settings.names.integration}")
    except SnowflakeError as error:
        if error.number != DOES_NOT_EXIST:
            raise
        rows = []
    told = {row["property"]: row["property_value"] for row in rows}
    if not told:
        return {}
    return {
        "SnowflakeUserArn": told["STORAGE_AWS_IAM_USER_ARN"],
        "SnowflakeExternalId": told["STORAGE_AWS_EXTERNAL_ID"],
    }


def pipes(snowflake: Asked, settings: CloudSettings) -> list[dict[str, str]]:
    """What SHOW says of the landing's pipes; nothing while there are none."""
    try:
        rows = snowflake.rows(f"show pipes in schema {settings.names.raw}")
    except SnowflakeError as error:
        if error.number != DOES_NOT_EXIST:
            raise
        rows = []
    ours = [row for row in rows if row["name"].lower() in PIPES.values()]
    return sorted(ours, key=lambda row: row["name"])


def _queue(snowflake: Asked, settings: CloudSettings) -> dict[str, str]:
    """The queue of the pipes, or nothing while there are none. Raises AwsError if the
    pipes have several: one bucket has one."""
    ours = pipes(snowflake, settings)
    queues = {
        row["notification_channel"] for row in ours if row["notification_channel"]
    }
    if len(queues) > 1:
        raise AwsError(
            f"the pipes listen to several queues: {', '.join(sorted(queues))}"
        )
    return {"PipeQueueArn": queues.pop()} if queues else {}


def _what_next(settings: CloudSettings, deployed: Deployed) -> Iterator[str]:
    yield "done. What lands in the bucket from now on loads itself; what landed before:"
    yield "    make load-missing"
    role = deployed.outputs.get("GitHubRoleArn")
    if role:
        yield "for the scheduled workflow, in the repository's variables:"
        yield f"    AWS_ROLE_ARN={role}"
        yield f"    AWS_REGION={settings.aws_region}"
        yield f"    LANDING=s3://{settings.bucket}/{settings.prefix}".rstrip("/")
        yield f"    SNOWFLAKE_ACCOUNT={settings.sign_in.account}"
        yield f"    SNOWFLAKE_USER={settings.names.ci_user}"
        for name in OTHER_NAMES:
            if settings.given.get(name):
                yield f"    {name}={settings.given[name]}"
    yield "make doctor checks every link"
