"""make doctor: looks at every link between Amplitude and the models, changing none.

A check is a function that returns what is well, or raises Wrong with what is not and
the command that mends it. A check that needs something an earlier one has not found is
left out, with a word on why.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import requests

from ingest.clock import Clock, WrongClock, parse_date
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
from snowflake_setup.doctor import aws_side, snowflake_side
from snowflake_setup.doctor.findings import (
    AGAIN,
    LOAD_MISSING,
    Finding,
    LeftOut,
    Patient,
    Wrong,
    aws_mends,
)
from snowflake_setup.expected import expected_files
from snowflake_setup.loads import Raw, first
from snowflake_setup.session import DOES_NOT_EXIST, SnowflakeError, github_token
from snowflake_setup.settings import CloudSettings
from snowflake_setup.stack import AwsError

DBT_SECONDS = 180
# For a look at where Amplitude is, whoever asks.
UNKEYED = {"AMP_API_KEY": "-", "AMP_SECRET_KEY": "-"}
# Snowflake and AWS refuse what is signed at another time than theirs; the first after
# about a minute.
CLOCK_MAY_DIFFER_SECONDS = 60
SET_CLOCK = "sudo timedatectl set-ntp true"


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
                yield Finding(link, False, str(error), aws_mends(error))
            except SnowflakeError as error:
                yield Finding(link, False, str(error), (AGAIN,))
            except LandingError as error:
                yield Finding(link, False, str(error), aws_mends(error))
            except Exception as error:
                # Whatever it is, the links after it are looked at.
                message = f"unexpected {type(error).__name__}: {error}"
                yield Finding(link, False, message, ("report it, with this line",))


def settings_are_set(patient: Patient) -> str:
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


def clock(patient: Patient) -> str:
    """By the clock of Amplitude's server, which needs no keys to tell it."""
    url = Settings.read(patient.settings.given | UNKEYED).export_url
    try:
        told = requests.head(url, timeout=(10, 10)).headers.get("Date", "")
    except requests.RequestException:
        told = ""
    if not (date := parse_date(told)):
        raise LeftOut(f"{url} does not tell the time")
    ahead = (datetime.now(UTC) - date).total_seconds()
    if abs(ahead) > CLOCK_MAY_DIFFER_SECONDS:
        raise Wrong(
            f"this machine's clock is {abs(ahead):.0f} s"
            f" {'ahead' if ahead > 0 else 'behind'}: AWS and Snowflake refuse what it"
            " signs",
            SET_CLOCK,
        )
    return "right within a minute"


def amplitude(patient: Patient) -> str:
    """Asks for one hour, and leaves its archive where it is."""
    settings = Settings.read(patient.settings.given)
    hour = last_safe_hour(datetime.now(UTC))
    where = f"{settings.export_url} (AMP_REGION={settings.region})"
    try:
        client = ExportClient(settings, lambda: False, Clock(lambda _: None))
        with client.open(Window(hour, hour)):
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
    except WrongClock as error:
        raise Wrong(f"{where}: {error}", SET_CLOCK) from error
    except Busy as error:
        raise Wrong(f"{where} is busy: {error}", "make doctor, later") from error
    return f"the keys are taken, {where}"


def dbt(patient: Patient) -> str:
    project = Path(__file__).parents[2] / "dbt"
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


def load(patient: Patient) -> str:
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


def drift(patient: Patient) -> str:
    """Of the rows that the last build loaded, by the build's own measure."""
    names = patient.settings.names
    table = f"{names.database}.{names.marts_schema}.amplitude__load_drift"
    try:
        found = patient.session(names.transformer_role).rows(
            "select project_id, uploaded_date::varchar as day, drifts, missing_keys,"
            f" undocumented_keys from {table} where drifts is not null"
            f" and batch_number = (select max(batch_number) from {table}) order by 2, 1"
        )
    except SnowflakeError as error:
        if error.number != DOES_NOT_EXIST:
            raise
        raise LeftOut("no build has made amplitude__load_drift yet") from None
    if found:
        row = found[-1]
        keys = row["undocumented_keys"] or "none", row["missing_keys"] or "none"
        raise Wrong(
            f"many rows that project {row['project_id']} uploaded on {row['day']} have"
            f" another form: {row['drifts']} (new keys: {keys[0]}; missing keys:"
            f" {keys[1]})",
            f"select * from {table} where drifts is not null",
        )
    return "the last load has the form that the models know"


CHECKS: dict[str, Callable[[Patient], str]] = {
    "settings": settings_are_set,
    "clock": clock,
    "Amplitude": amplitude,
    "AWS": aws_side.signs_in,
    "stack": aws_side.stack_is_made,
    "bucket": aws_side.bucket,
    "right to land": aws_side.may_land,
    "Snowflake, setup role": snowflake_side.signs_in("setup_role"),
    "Snowflake, loader role": snowflake_side.signs_in("loader_role"),
    "Snowflake, transformer role": snowflake_side.signs_in("transformer_role"),
    "warehouses": snowflake_side.warehouses,
    "storage integration": snowflake_side.integration,
    "AWS role's trust": aws_side.trust,
    "stage": snowflake_side.stage,
    "pipes": snowflake_side.pipes,
    "notification": aws_side.notification,
    "raw tables": snowflake_side.raw_tables,
    "grants": snowflake_side.grants,
    "masking policies": snowflake_side.masking_policies,
    "workflow's user": snowflake_side.workflow_user,
    "dbt": dbt,
    "ledger against raw": load,
    "form of the last load": drift,
}
