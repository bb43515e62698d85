"""make cloud-teardown: remove what make cloud-setup created.

What holds no data is removed first, so that nothing is loaded or built meanwhile. A
database or the bucket is removed only if it is named. Everything may be repeated: after
an interruption, the next run continues.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress

from ingest.settings import SettingsError
from snowflake_setup.session import Session, session
from snowflake_setup.settings import CloudSettings
from snowflake_setup.setup import pipes
from snowflake_setup.stack import Stack, aws_errors, client

# What the ingest writes, below the landing's prefix.
LANDED = ("events/", "ledger/", "limits/", "erasures/")
OBJECTS_PER_REQUEST = 1000


def cloud_teardown(
    settings: CloudSettings, delete: Collection[str], *, confirmed: bool
) -> Iterator[str]:
    """Remove everything but data, and the databases and the bucket that `delete` names;
    a line for each. Unless it is confirmed, only say so.

    Raises SettingsError, AwsError or SnowflakeError: it is safe to run it again.
    """
    settings.require("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER")
    if settings.is_on_s3:
        settings.require("AWS_REGION")
    names = settings.names
    holders = [names.database, names.raw_database]
    holders += [settings.bucket] if settings.is_on_s3 else []
    if unknown := sorted(set(delete) - set(holders)):
        raise SettingsError(
            f"DELETE names {', '.join(unknown)}: it can name {', '.join(holders)}"
        )
    if settings.is_on_s3:
        yield from _remove_stack(settings, confirmed)
    with session(settings, names.admin_role) as snowflake:
        yield from _remove_from_snowflake(snowflake, settings, delete, confirmed)
    if settings.is_on_s3:
        yield from _remove_bucket(settings, settings.bucket in delete, confirmed)
    if not confirmed:
        yield "nothing has been removed: CONFIRM=1 does it"


def _remove_stack(settings: CloudSettings, confirmed: bool) -> Iterator[str]:
    """The roles, and the bucket's notification, which would outlive the stack."""
    stack = Stack(settings)
    deployed = stack.deployed()
    if not deployed:
        yield f"AWS: the stack {settings.stack} does not exist"
        return
    if confirmed:
        if queue := deployed.parameters.get("PipeQueueArn"):
            _remove_notification(settings, queue)
        stack.remove()
    yield (
        f"AWS: {_removed(confirmed)} the stack {settings.stack}: its roles and the"
        " bucket's notification. GitHub's identity provider stays, which other stacks"
        " may use"
    )


def _remove_notification(settings: CloudSettings, queue: str) -> None:
    """Remove only the pipes' queue from the bucket's notifications."""
    s3 = client(settings, "s3")
    with (
        aws_errors(f"removing the notification of {settings.bucket}"),
        suppress(s3.exceptions.NoSuchBucket),
    ):
        found = s3.get_bucket_notification_configuration(Bucket=settings.bucket)
        found.pop("ResponseMetadata", None)
        queues = found.pop("QueueConfigurations", [])
        if others := [each for each in queues if each["QueueArn"] != queue]:
            found["QueueConfigurations"] = others
        s3.put_bucket_notification_configuration(
            Bucket=settings.bucket, NotificationConfiguration=found
        )


def _remove_from_snowflake(
    snowflake: Session,
    settings: CloudSettings,
    delete: Collection[str],
    confirmed: bool,
) -> Iterator[str]:
    names = settings.names
    if not snowflake.shown("role", names.setup_role):
        # Then objects with these names belong to someone else.
        yield f"Snowflake: nothing to remove: role {names.setup_role} does not exist"
        return
    for pipe in pipes(snowflake, settings):
        name = f"{names.raw}.{pipe['name'].lower()}"
        yield from _drop(snowflake, "pipe", name, confirmed)
    for kind, name in (
        ("user", names.ci_user),
        ("warehouse", names.warehouse),
        ("warehouse", names.dev_warehouse),
        ("resource monitor", names.resource_monitor),
        ("integration", names.error_integration),
        ("integration", names.integration),
    ):
        if snowflake.shown(kind, name):
            yield from _drop(snowflake, kind, name, confirmed)
    kept = False
    for name in (names.database, names.raw_database):
        database = snowflake.shown("database", name)
        if not database:
            continue
        yield from _contents(snowflake, name)
        owner = (database["owner"] or "").lower()
        if owner != names.setup_role:
            kept = True
            yield (
                f"Snowflake: database {name} stays: it belongs to the role {owner}, not"
                f" to {names.setup_role}, so make cloud-setup has not made it"
            )
        elif name in delete:
            yield from _drop(snowflake, "database", name, confirmed)
        else:
            kept = True
            yield f"Snowflake: database {name} stays: DELETE={name} removes it too"
    roles = (
        names.loader_role,
        names.transformer_role,
        names.reader_role,
        names.setup_role,
    )
    if kept:
        yield f"Snowflake: the roles {', '.join(roles)} stay as long as a database does"
        return
    for role in roles:
        if snowflake.shown("role", role):
            yield from _drop(snowflake, "role", role, confirmed)


def _drop(snowflake: Session, kind: str, name: str, confirmed: bool) -> Iterator[str]:
    if confirmed:
        snowflake.rows(f"drop {kind} if exists {name}")
    yield f"Snowflake: {_removed(confirmed)} {kind} {name}"


def _contents(snowflake: Session, database: str) -> Iterator[str]:
    """The contents of each schema of the database. Needs no warehouse."""
    tables: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for table in snowflake.rows(f"show tables in database {database}"):
        schema = table["schema_name"].lower()
        tables[schema] += 1
        rows[schema] += int(table["rows"] or 0)
        size[schema] += int(table["bytes"] or 0)
    for schema in sorted(tables):
        yield (
            f"Snowflake: {database}.{schema} holds {tables[schema]} tables,"
            f" {rows[schema]:,} rows, {size[schema] / 1e6:,.1f} MB"
        )


def _remove_bucket(
    settings: CloudSettings, wanted: bool, confirmed: bool
) -> Iterator[str]:
    """Delete the bucket and all versions, unless it holds files of other tools."""
    s3 = client(settings, "s3")
    bucket = settings.bucket
    with aws_errors(f"listing the versions in {bucket}"):
        try:
            s3.head_bucket(Bucket=bucket)
        except s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
            yield f"AWS: the bucket {bucket} does not exist"
            return
        ours, others, size = 0, 0, 0
        landed = tuple(settings.prefix + folder for folder in LANDED)
        for versions in _versions(s3, bucket):
            count = sum(version["Key"].startswith(landed) for version in versions)
            ours += count
            others += len(versions) - count
            size += sum(version.get("Size", 0) for version in versions)
    yield (
        f"AWS: {bucket} holds {ours:,} files of the landing and {others:,} other ones,"
        f" each version counted, {size / 1e6:,.1f} MB"
    )
    if not wanted:
        yield (
            f"AWS: bucket {bucket} stays: DELETE={bucket} removes it too. What"
            " Amplitude no longer exports cannot be fetched again"
        )
        return
    if others:
        yield f"AWS: bucket {bucket} stays: delete the other files first"
        return
    if confirmed:
        with aws_errors(f"deleting the bucket {bucket}"):
            for versions in _versions(s3, bucket):
                named = [
                    {"Key": version["Key"], "VersionId": version["VersionId"]}
                    for version in versions
                ]
                refused = s3.delete_objects(
                    Bucket=bucket, Delete={"Objects": named, "Quiet": True}
                ).get("Errors")
                if refused:
                    raise ValueError(
                        f"{refused[0]['Key']}: {refused[0].get('Message', '')}"
                    )
            s3.delete_bucket(Bucket=bucket)
    yield f"AWS: {_removed(confirmed)} bucket {bucket}"


def _versions(s3, bucket: str) -> Iterator[list[dict]]:
    """All versions and delete markers, as many at a time as one request deletes."""
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": OBJECTS_PER_REQUEST}
    )
    for page in pages:
        if versions := page.get("Versions", []) + page.get("DeleteMarkers", []):
            yield versions


def _removed(confirmed: bool) -> str:
    return "removed" if confirmed else "would remove"
