"""Deploys the SQL beside this file with schemachange: each folder under its role."""

import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ingest.logs import redact
from ingest.settings import SettingsError
from snowflake_setup.session import (
    DOES_NOT_EXIST,
    Session,
    SnowflakeError,
    connection_parameters,
    session,
)
from snowflake_setup.settings import CloudSettings

HERE = Path(__file__).parent
# The placeholder of an integration that a dry run only reads.
NO_ROLE_YET = "arn:aws:iam::000000000000:role/not-made-yet"
FOLDERS = ("account", "access", "load")
GRANTS = ("access/R__access_grants.sql", "load/R__load_grants.sql")
GRANT = re.compile(
    r"grant\s+([\w\s,]+?)\s+on\s+(?!all\b|future\b)([a-z]+(?:\s+format)?)\s+"
    r"([\w$.]+)\s+to\s+role\s+([\w$]+)"
)
# What the connector is given to sign in, of which schemachange has to know.
SIGN_IN = (
    "account",
    "user",
    "host",
    "port",
    "protocol",
    "authenticator",
    "private_key",
    "password",
    "token",
    "workload_identity_provider",
)
# As schemachange words it; anything else of its log is chatter.
APPLIED = re.compile(r"(?:Applying|Running in dry-run mode).*")
SCRIPT = re.compile(r"script_name=([\w.]+\.sql)")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def deploy(
    settings: CloudSettings,
    *folders: str,
    role_arn: str = "",
    dry_run: bool = False,
    again: bool = False,
) -> Iterator[str]:
    """Run the files of the folders that are new or have changed; a line each.

    `role_arn` is the AWS role that Snowflake assumes; otherwise the settings say it.
    `again`, which needs the folder account, runs all files, to restore what was dropped
    or revoked.
    Raises SettingsError, or SnowflakeError with what schemachange says.
    """
    role_arn = role_arn or settings.snowflake_role_arn
    if "access" in folders and settings.is_on_s3 and not role_arn:
        if not dry_run:
            raise SettingsError(
                "SNOWFLAKE_AWS_ROLE_ARN is not set: make cloud-setup makes the role and"
                " needs no such setting; or set it in .env"
            )
        role_arn = NO_ROLE_YET
    if bool(settings.error_topic_arn) != bool(settings.error_role_arn):
        raise SettingsError(
            "SNOWFLAKE_ERROR_TOPIC_ARN and SNOWFLAKE_ERROR_ROLE_ARN go together"
        )
    if "access" in folders and settings.names.ci_user == settings.sign_in.user.lower():
        raise SettingsError(
            "SNOWFLAKE_CI_USER is SNOWFLAKE_USER, whose key would be replaced: it must"
            " be a user of the workflow's own, such as amplitude_ci"
        )
    filled = variables(settings, role_arn)
    missing: list[str] = []
    if "account" in folders:
        with session(settings, settings.names.admin_role) as snowflake:
            [row] = snowflake.rows("select current_user() as name")
            filled["deploying_user"] = '"{}"'.format(row["name"].replace('"', '""'))
            missing = _missing(snowflake, settings)
            for statement in missing:
                if not dry_run:
                    snowflake.rows(statement)
                yield f"{'would run' if dry_run else 'ran'} {statement}"
            if again and not dry_run:
                _forget_runs(snowflake, settings)
    # In a dry run there may be nothing yet that schemachange could sign in to.
    only_list = dry_run and (again or missing or not _has_history(settings))
    for folder in folders:
        if only_list:
            files = sorted((HERE / folder).glob("*.sql"), key=_order)
            yield from (f"would run {folder}/{file.name}" for file in files)
        else:
            yield from _schemachange(settings, folder, filled, dry_run)


def wanted_grants(settings: CloudSettings) -> set[tuple[str, str, str, str]]:
    """The grants of the files: role, privilege, kind of object and its
    full name; without those on all or on future objects of a schema."""
    environment = Environment(loader=FileSystemLoader(HERE), undefined=StrictUndefined)
    wanted = set()
    for file in GRANTS:
        sql = environment.get_template(file).render(variables(settings, NO_ROLE_YET))
        for what, kind, name, role in GRANT.findall(re.sub(r"--.*", "", sql)):
            for privilege in " ".join(what.split()).split(", "):
                wanted.add((role, privilege, " ".join(kind.split()), name))
    return wanted


def _order(file: Path) -> tuple[bool, str]:
    """schemachange runs versioned files first, then repeatable ones."""
    return file.name.startswith("R"), file.name


def _missing(snowflake: Session, settings: CloudSettings) -> list[str]:
    """The statements that make what schemachange itself needs: its role, a database for
    its history and a warehouse to write it.

    Raises SettingsError if something is there by a name of the settings, and the setup
    role is not: it belongs to other people.
    """
    names = settings.names
    is_new = not snowflake.shown("role", names.setup_role)
    named = {
        "SNOWFLAKE_RAW_DATABASE": ("database", names.raw_database),
        "SNOWFLAKE_DATABASE": ("database", names.database),
        "SNOWFLAKE_WAREHOUSE": ("warehouse", names.warehouse),
        "SNOWFLAKE_DEV_WAREHOUSE": ("warehouse", names.dev_warehouse),
        "SNOWFLAKE_LOADER_ROLE": ("role", names.loader_role),
        "SNOWFLAKE_ROLE": ("role", names.transformer_role),
        "SNOWFLAKE_READER_ROLE": ("role", names.reader_role),
    }
    if is_new:
        taken = [
            f"{kind} {name} ({variable})"
            for variable, (kind, name) in named.items()
            if snowflake.shown(kind, name)
        ]
        if taken:
            raise SettingsError(
                f"these names already exist in the account: {', '.join(taken)}. Set"
                " names that are free in .env. If they are to be taken over and"
                f" altered: create role {names.setup_role}, then start again"
            )
    statements = {
        ("role", names.setup_role): (
            f"create role if not exists {names.setup_role}"
            " comment = 'Owns what snowflake_setup makes, and deploys it'"
        ),
        ("database", names.raw_database): (
            f"create database if not exists {names.raw_database}"
            " comment = 'Data as it was delivered, before any model touches it'"
        ),
        ("warehouse", names.warehouse): (
            f"create warehouse if not exists {names.warehouse}"
            " warehouse_size = xsmall auto_suspend = 60 initially_suspended = true"
        ),
    }
    return [
        statement
        for (kind, name), statement in statements.items()
        if not snowflake.shown(kind, name)
    ]


def _forget_runs(snowflake: Session, settings: CloudSettings) -> None:
    """Mark all runs in schemachange's history, which then counts none of them; no row
    of it is deleted."""
    try:
        snowflake.rows(
            f"update {settings.names.raw_database}.schemachange.change_history"
            " set status = 'To run again' where status = 'Success'"
        )
    except SnowflakeError as error:
        if error.number != DOES_NOT_EXIST:
            raise


def _has_history(settings: CloudSettings) -> bool:
    """Whether the setup role exists and can read what schemachange has run."""
    try:
        with session(settings, settings.names.setup_role) as snowflake:
            snowflake.rows(
                "select script from"
                f" {settings.names.raw_database}.schemachange.change_history limit 1"
            )
    except SnowflakeError:
        return False
    return True


def _schemachange(
    settings: CloudSettings, folder: str, filled: dict[str, object], dry_run: bool
) -> Iterator[str]:
    names = settings.names
    role = names.admin_role if folder == "account" else names.setup_role
    history = f"{names.raw_database}.schemachange.change_history"
    command = [
        str(Path(sys.executable).with_name("schemachange")),
        "deploy",
        f"--config-folder={HERE}",
        f"--root-folder={HERE / folder}",
        f"--change-history-table={history}",
        # The folders share a history: a file added to the first one later has a lower
        # number than those of the last.
        "--out-of-order",
        f"--vars={json.dumps(filled)}",
        *(["--schemachange-dry-run"] if dry_run else []),
    ]
    environment = _environment(settings, role)
    finished = run(command, environment)
    said = COLOURS.sub("", finished.stdout)
    if finished.returncode:
        key = environment.get("SNOWFLAKE_PRIVATE_KEY")
        said = redact(said, [*settings.secrets, *([key] if key else [])])
        raise SnowflakeError(f"deploying {folder}/ failed: {_reason(said)}")
    for line in said.splitlines():
        if APPLIED.search(line) and (script := SCRIPT.search(line)):
            yield f"{'would run' if dry_run else 'ran'} {folder}/{script[1]}"


def run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run schemachange, which reads its settings from the environment."""
    return subprocess.run(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _reason(said: str) -> str:
    """The end of what schemachange says, which says what was wrong."""
    errors = [line for line in said.splitlines() if "rror" in line]
    return " ".join(" ".join(errors[-3:] or said.splitlines()[-3:]).split())[-600:]


def variables(settings: CloudSettings, role_arn: str) -> dict[str, object]:
    """The variables of the SQL files."""
    names = asdict(settings.names)
    return {
        **names,
        "storage_integration": names["integration"],
        # Its name in Snowflake, which may differ from the one to sign in with, is asked
        # for where it is needed.
        "deploying_user": f'"{settings.sign_in.user}"',
        "warehouse_size": settings.warehouse_size,
        "monthly_credits": settings.monthly_credits,
        "landing_url": settings.landing_url,
        "is_on_s3": settings.is_on_s3,
        "aws_role_arn": role_arn,
        "ci_public_key": settings.ci_public_key,
        "github_subject": settings.github_subject,
        "error_topic_arn": settings.error_topic_arn,
        "error_role_arn": settings.error_role_arn,
    }


def _environment(settings: CloudSettings, role: str) -> dict[str, str]:
    """This process's environment with schemachange's words for the sign-in.

    schemachange hands every SNOWFLAKE_* on to the connector, so only those are there
    that the connector knows. A key is there as base64 of its DER bytes: it is never
    written to a file, which a killed process would leave.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SNOWFLAKE_", "SCHEMACHANGE_"))
    }
    sign_in = connection_parameters(settings.sign_in)
    given = {name: sign_in[name] for name in SIGN_IN if sign_in.get(name)} | {
        "role": role,
        "warehouse": settings.names.warehouse,
        "database": settings.names.raw_database,
    }
    if "private_key" in given:
        given["private_key"] = b64encode(given["private_key"]).decode()
    return environment | {
        f"SNOWFLAKE_{name.upper()}": str(value) for name, value in given.items()
    }
