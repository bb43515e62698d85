"""The links in Snowflake: sign-in, warehouses, integration, stage, pipes, tables."""

import shlex
from collections.abc import Callable, Iterable

from doctor.checks import (
    AGAIN,
    CLOUD_SETUP,
    LOAD_MISSING,
    CheckFailed,
    CheckSkipped,
    Context,
)
from snowflake_setup.deploy import wanted_grants
from snowflake_setup.loads import PIPES, Raw, first
from snowflake_setup.session import DOES_NOT_EXIST, SnowflakeError, session
from snowflake_setup.settings import CloudSettings
from snowflake_setup.stack import aws_errors

COLUMNS = {
    "events": {
        "raw_line": "varchar",
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
# Errors of signing in, of https://docs.snowflake.com/en/user-guide/key-pair-auth-troubleshooting
ROLE_NOT_GRANTED = 390189
KEY_REFUSED = (390144, 394300, 394301, 394302, 394303, 394304)
# Of a network policy; the error has the number of any failed connection.
ADDRESS_REFUSED = "is not allowed to access Snowflake"


def signs_in(role: str) -> Callable[[Context], str]:
    def check(context: Context) -> str:
        name = getattr(context.settings.names, role)
        if context.is_signed_out:
            raise CheckSkipped("no role can sign in")
        try:
            opened = context.open.enter_context(session(context.settings, name))
            [row] = opened.rows("select current_user() as name")
        except SnowflakeError as error:
            context.is_signed_out = error.number != ROLE_NOT_GRANTED
            raise CheckFailed(
                str(error), *_sign_in_fixes(error, name, context.settings)
            ) from error
        context.sessions[name] = opened
        return f"{row['name']} signs in"

    return check


def _sign_in_fixes(
    error: SnowflakeError, role: str, settings: CloudSettings
) -> tuple[str, ...]:
    user = settings.sign_in.user
    if ADDRESS_REFUSED in str(error):
        return (
            "the account has a network policy (show network policies): allow this"
            " address there, or give the user a policy of its own"
            f' (alter user "{user}" set network_policy = …); for GitHub\'s runners see'
            " docs/set-up-cloud.md",
        )
    if error.number == ROLE_NOT_GRANTED:
        return (AGAIN, f'grant role {role} to user "{user}"')
    if error.number in KEY_REFUSED:
        path = shlex.quote(settings.sign_in.private_key_path)
        return (
            "printenv SNOWFLAKE_PRIVATE_KEY | openssl pkey -pubout"
            if settings.sign_in.private_key
            else f"openssl pkey -pubout -in {path}",
            f"alter user \"{user}\" set rsa_public_key = '…', with what that prints"
            " between its first and last line",
        )
    return (
        "check SNOWFLAKE_ACCOUNT (organisation-account, no address), SNOWFLAKE_USER,"
        " how you sign in, and the network",
    )


def warehouses(context: Context) -> str:
    names = context.settings.names
    for role, wanted in (
        (names.loader_role, names.warehouse),
        (names.transformer_role, names.warehouse),
        (names.transformer_role, names.dev_warehouse),
    ):
        rows = context.session(role).rows(f"show warehouses like '{wanted}'")
        found = [row for row in rows if row["name"].lower() == wanted]
        if not found:
            raise CheckFailed(f"{role} has no warehouse {wanted}", AGAIN)
        if str(found[0].get("auto_resume", "true")).lower() != "true":
            raise CheckFailed(
                f"{wanted} is {found[0]['state'].lower()} and does not start by itself",
                f"alter warehouse {wanted} set auto_resume = true",
            )
    return f"{names.warehouse} and {names.dev_warehouse} start by themselves"


def integration(context: Context) -> str:
    settings = context.settings
    name = settings.names.integration
    rows = context.setup.rows(f"desc integration {name}")
    reported = {row["property"]: str(row["property_value"] or "") for row in rows}
    context.integration = reported
    alter = f"alter storage integration {name} set"
    faults = {}
    if reported.get("ENABLED", "").lower() != "true":
        faults["is disabled"] = f"{alter} enabled = true"
    url = settings.landing_url
    allowed = _locations(reported.get("STORAGE_ALLOWED_LOCATIONS", ""))
    if not _covers(allowed, url):
        listed = ", ".join(f"'{location}'" for location in [*allowed, url])
        faults[f"does not allow {url}, but {', '.join(allowed) or 'nothing'}"] = (
            f"{alter} storage_allowed_locations = ({listed})"
        )
    blocked = _locations(reported.get("STORAGE_BLOCKED_LOCATIONS", ""))
    if any(_covers([one], url) or one.startswith(url) for one in blocked):
        faults[f"blocks {', '.join(blocked)}"] = (
            f"alter storage integration {name} unset storage_blocked_locations"
        )
    role_arn = reported.get("STORAGE_AWS_ROLE_ARN", "")
    made = context.deployed.outputs.get("SnowflakeRoleArn") if context.deployed else ""
    if made and role_arn != made:
        faults[f"assumes {role_arn}, the stack has made {made}"] = (
            f"{alter} storage_aws_role_arn = '{made}'"
        )
    if faults:
        raise CheckFailed(f"{name} {'; '.join(faults)}", *faults.values())
    return f"{name} is enabled, for {url}, as {role_arn}"


def _locations(text: str) -> list[str]:
    return [one for one in (part.strip(" '[]\"") for part in text.split(",")) if one]


def _covers(locations: Iterable[str], url: str) -> bool:
    return any(one == "*" or url.startswith(one) for one in locations)


def stage(context: Context) -> str:
    settings = context.settings
    name = f"{settings.names.raw}.landing"
    try:
        rows = context.setup.rows(f"desc stage {name}")
    except SnowflakeError as error:
        fix = AGAIN if error.number == DOES_NOT_EXIST else CLOUD_SETUP
        raise CheckFailed(f"{name}: {error}", fix) from error
    reported = {
        row["property"].upper(): str(row["property_value"] or "") for row in rows
    }
    if _locations(reported.get("URL", "")) != [settings.landing_url]:
        raise CheckFailed(
            f"@{name} is at {reported.get('URL')}, not {settings.landing_url}",
            f"alter stage {name} set url = '{settings.landing_url}'",
            "make doctor: a pipe stops when its stage moves",
        )
    try:
        listed = context.session(settings.names.loader_role).rows(
            f"list @{name}/ledger/"
        )
    except SnowflakeError as error:
        raise CheckFailed(
            f"@{name} cannot be listed: {error}",
            "fix what is wrong above: integration, trust; then, if this stays, the"
            " rights of SnowflakeRole in snowflake_setup/aws/landing.yml",
        ) from error
    with aws_errors(f"listing s3://{settings.bucket}"):
        pages = (
            context.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=settings.bucket, Prefix=f"{settings.prefix}ledger/")
        )
        there = sum(page.get("KeyCount", 0) for page in pages)
    if len(listed) < there:
        raise CheckFailed(
            f"@{name} shows {len(listed)} of {there} ledger files", "make doctor, later"
        )
    return f"@{name} shows {len(listed)} ledger files"


def pipes(context: Context) -> str:
    raw = Raw(context.setup, context.settings)
    rows = context.setup.rows(f"show pipes in schema {context.settings.names.raw}")
    shown = {row["name"].lower(): row for row in rows}
    waiting, wrong, fixes = 0, [], []
    for table in COLUMNS:
        pipe = raw.pipe(table)
        row = shown.get(PIPES[table])
        if not row:
            wrong.append(f"{pipe} does not exist")
            fixes += [AGAIN, LOAD_MISSING]
            continue
        copied = " ".join(row["definition"].lower().split())
        folder = f"@{context.settings.names.raw}.landing/{table}/"
        if not row["notification_channel"]:
            wrong.append(f"{pipe} has no channel: it was made without auto_ingest")
            fixes += [f"drop pipe {pipe}", AGAIN, LOAD_MISSING]
            continue
        if f"copy into {raw.table(table)} " not in copied or folder not in copied:
            wrong.append(f"{pipe} loads something else: it was made otherwise")
            fixes += [f"drop pipe {pipe}", AGAIN, LOAD_MISSING]
            continue
        if context.queue not in ("", row["notification_channel"]):
            wrong.append(f"the pipes listen to two queues, {pipe} to another")
            fixes.append("drop the pipe that is not listened to, then " + AGAIN)
        context.queue = row["notification_channel"]
        status = context.setup.pipe_status(pipe)
        waiting += int(status.get("pendingFileCount") or 0)
        state = status.get("executionState")
        if state != "RUNNING":
            said = status.get("error") or status.get("fault") or ""
            wrong.append(f"{pipe} is {state} {said}".strip())
            fixes += _pipe_fixes(pipe, str(state))
    if wrong:
        raise CheckFailed("; ".join(wrong), *dict.fromkeys(fixes))
    return f"both run, {waiting} files wait in them"


def _pipe_fixes(pipe: str, state: str) -> list[str]:
    """https://docs.snowflake.com/en/sql-reference/functions/system_pipe_status"""
    if state == "PAUSED":
        return [f"alter pipe {pipe} set pipe_execution_paused = false", LOAD_MISSING]
    if state in ("STOPPED_STAGE_ALTERED", "STOPPED_CLONED", "STOPPED_STAGE_DROPPED"):
        # It never runs again; raw and make load-missing keep rows from coming twice.
        return [f"drop pipe {pipe}", AGAIN, LOAD_MISSING]
    return [AGAIN, f"select system$pipe_force_resume('{pipe}')", LOAD_MISSING]


def raw_tables(context: Context) -> str:
    names = context.settings.names
    wrong, fixes = [], []
    for table, wanted in COLUMNS.items():
        name = f"{names.raw}.{table}"
        try:
            rows = context.setup.rows(f"describe table {name}")
        except SnowflakeError as error:
            wrong.append(f"{name}: {error}")
            fixes += [AGAIN, LOAD_MISSING]
            continue
        types = {row["name"].lower(): row["type"].lower() for row in rows}
        for column, type_ in wanted.items():
            if column not in types:
                wrong.append(f"{name} has no {column}: it was made otherwise")
                fixes.append(f"alter table {name} add column {column} {type_}")
            elif column.startswith("raw_") and not types[column].startswith(type_):
                wrong.append(f"{name}.{column} is {types[column]}, not {type_}")
                fixes += [f"alter table {name} rename to {name}_old", AGAIN]
                fixes.append("make load-missing, when the pipes run again")
    if wrong:
        raise CheckFailed("; ".join(wrong), *dict.fromkeys(fixes))
    for role in (names.loader_role, names.transformer_role):
        for table in COLUMNS:
            try:
                context.session(role).rows(
                    f"select filename from {names.raw}.{table} limit 1"
                )
            except SnowflakeError as error:
                raise CheckFailed(f"{role} cannot read it: {error}", AGAIN) from error
    return f"{names.raw}.events and {names.raw}.ledger are there and read"


def grants(context: Context) -> str:
    """Compares the grants in snowflake_setup/ with those of the roles."""
    wanted = wanted_grants(context.settings)
    lacking = []
    for role in sorted({grant[0] for grant in wanted}):
        rows = context.setup.rows(f"show grants to role {role}")
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
        raise CheckFailed("; ".join(first(lacking)), AGAIN)
    return f"the roles have the {len(wanted)} that they need"


def masking_policies(context: Context) -> str:
    names = context.settings.names
    if not names.unmasked_role:
        return "not configured: SNOWFLAKE_UNMASKED_ROLE is not set"
    rows = context.setup.rows(f"show masking policies in schema {names.raw}")
    found = {row["name"].lower() for row in rows}
    if lacking := {"personal_text", "personal_number", "personal_object"} - found:
        raise CheckFailed(
            f"{names.raw} lacks {', '.join(sorted(lacking))}: masking policies need the"
            " Enterprise edition",
            AGAIN,
            "without that edition: remove SNOWFLAKE_UNMASKED_ROLE from .env, and name"
            " the columns in the dbt variable personal_columns",
        )
    return f"only {names.unmasked_role} and {names.transformer_role} see what they mask"


def workflow_user(context: Context) -> str:
    names = context.settings.names
    name = names.ci_user
    rows = context.setup.rows(f"show users like '{name}'")
    found = [row for row in rows if row["name"].lower() == name]
    if not found:
        raise CheckFailed(f"the user {name} does not exist", AGAIN)
    [user] = found
    if str(user.get("disabled") or "false").lower() == "true":
        raise CheckFailed(
            f"{name} is disabled", f"alter user {name} set disabled = false"
        )
    ways = ("has_rsa_public_key", "has_workload_identity")
    if all(str(user.get(way, "true")).lower() == "false" for way in ways):
        raise CheckFailed(
            f"{name} has neither a key nor GitHub's identity: it cannot sign in",
            "set SNOWFLAKE_CI_PUBLIC_KEY_PATH or GITHUB_SUBJECT in .env",
            CLOUD_SETUP,
        )
    granted = context.setup.rows(f"show grants to user {name}")
    have = {str(row["role"]).lower() for row in granted}
    if lacking := {names.loader_role, names.transformer_role} - have:
        raise CheckFailed(f"{name} lacks the role {', '.join(sorted(lacking))}", AGAIN)
    return f"{name} may load and model"
