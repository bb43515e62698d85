"""The links of a pipeline with accounts of AWS and Snowflake."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from doctor import aws, snowflake
from doctor.checks import (
    AGAIN,
    LOAD_MISSING,
    CheckFailed,
    CheckSkipped,
    Context,
    aws_fixes,
)
from doctor.local import variables
from doctor.sources import amplitude, clock
from ingest.landing import open_landing
from snowflake_setup.expected import expected_files
from snowflake_setup.loads import Raw, first
from snowflake_setup.session import DOES_NOT_EXIST, SnowflakeError, github_token
from snowflake_setup.stack import AwsError

DBT_SECONDS = 180


def settings_are_set(context: Context) -> str:
    settings = context.settings
    names = ["AMP_API_KEY", "AMP_SECRET_KEY", "SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER"]
    missing = [name for name in names if not settings.given.get(name)]
    if not settings.is_on_s3:
        missing.append("AWS_BUCKET (or LANDING=s3://bucket/prefix)")
    if not settings.aws_region:
        missing.append("AWS_REGION")
    if missing:
        raise CheckFailed(
            f"not set: {', '.join(missing)}", "set it in .env; see .env.example"
        )
    return f"landing {settings.landing_url}, Snowflake {settings.sign_in.account}"


def dbt(context: Context) -> str:
    project = Path(__file__).parents[1] / "dbt"
    token = {}
    if context.settings.sign_in.authenticator == "workload_identity":
        token = {"SNOWFLAKE_TOKEN": context.settings.sign_in.token or github_token()}
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
        raise CheckFailed(
            "dbt debug does not finish", "dbt debug --target snowflake"
        ) from None
    if finished.returncode:
        lines = [line.strip() for line in finished.stdout.splitlines() if line.strip()]
        reported = [line for line in lines if "rror" in line or line[:1].isdigit()]
        raise CheckFailed(
            f"dbt cannot connect: {' '.join(reported[-3:])[-300:]}",
            "check SNOWFLAKE_ROLE, SNOWFLAKE_WAREHOUSE, SNOWFLAKE_DATABASE and the key",
            AGAIN,
        )
    return f"connects as {context.settings.names.transformer_role}"


def load(context: Context) -> str:
    files = expected_files(open_landing(context.settings))
    if not files:
        raise CheckFailed(
            f"{context.settings.landing_url} has no ledger yet", "make ingest"
        )
    raw = Raw(context.session(context.settings.names.loader_role), context.settings)
    comparison = raw.compare(files)
    if not comparison.is_complete:
        named = first(comparison.problems(raw.history()))
        raise CheckFailed(
            "; ".join([str(comparison), *named]), "make wait-loaded", LOAD_MISSING
        )
    return str(comparison)


def drift(context: Context) -> str:
    """Drift in the rows that the last build loaded, as the build measures it."""
    names = context.settings.names
    table = f"{names.database}.{names.marts_schema}.amplitude__load_drift"
    try:
        found = context.session(names.transformer_role).rows(
            "select project_id, uploaded_date::varchar as day, drifts, missing_keys,"
            f" undocumented_keys from {table} where drifts is not null"
            f" and batch_number = (select max(batch_number) from {table}) order by 2, 1"
        )
    except SnowflakeError as error:
        if error.number != DOES_NOT_EXIST:
            raise
        raise CheckSkipped("no build has made amplitude__load_drift yet") from None
    if found:
        row = found[-1]
        keys = row["undocumented_keys"] or "none", row["missing_keys"] or "none"
        raise CheckFailed(
            f"many rows of project {row['project_id']} uploaded on {row['day']} have"
            f" another form: {row['drifts']} (new keys: {keys[0]}; missing keys:"
            f" {keys[1]})",
            f"select * from {table} where drifts is not null",
        )
    return "the last load has the schema that the models expect"


def with_fixes(check: Callable[[Context], str]) -> Callable[[Context], str]:
    """The check, with what to do if AWS or Snowflake refuses."""

    @wraps(check)
    def checked(context: Context) -> str:
        try:
            return check(context)
        except AwsError as error:
            raise CheckFailed(str(error), *aws_fixes(error)) from error
        except SnowflakeError as error:
            raise CheckFailed(str(error), AGAIN) from error

    return checked


CHECKS: dict[str, Callable[[Context], str]] = {
    "settings": settings_are_set,
    "clock": clock,
    "Amplitude": amplitude,
    "AWS": aws.signs_in,
    "stack": aws.stack_is_made,
    "bucket": aws.bucket,
    "right to land": aws.may_land,
    "Snowflake, setup role": snowflake.signs_in("setup_role"),
    "Snowflake, loader role": snowflake.signs_in("loader_role"),
    "Snowflake, transformer role": snowflake.signs_in("transformer_role"),
    "warehouses": snowflake.warehouses,
    "storage integration": snowflake.integration,
    "AWS role's trust": aws.trust,
    "stage": snowflake.stage,
    "pipes": snowflake.pipes,
    "notification": aws.notification,
    "raw tables": snowflake.raw_tables,
    "grants": snowflake.grants,
    "masking policies": snowflake.masking_policies,
    "workflow's user": snowflake.workflow_user,
    "variables and models": variables,
    "dbt": dbt,
    "ledger against raw": load,
    "schema of the last load": drift,
}
