"""`make verify-account`: run the whole pipeline on your own Snowflake and AWS accounts.

It creates scratch databases, roles, warehouses and a scratch bucket next to your own
objects, lands the sample export, loads and builds it, provokes failures, compares every
mart with a DuckDB warehouse built from the same files, and removes everything again. A
resource monitor stops its warehouses at one credit. KEEP=1 keeps the scratch objects.
"""

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
from dotenv import load_dotenv

from ingest import __version__
from ingest.logs import redact
from ingest.settings import SettingsError
from sandbox.amplitude.export_api import EXPORT_DIR, serve
from snowflake_setup.session import Session, SnowflakeError, session
from snowflake_setup.settings import CloudSettings
from snowflake_setup.stack import AwsError, aws_errors, client

REPORT = Path("data/verify-account.md")
NAME = "amplitude_verify"
# Names for every object it creates, so that it never changes an object of yours.
SCRATCH = {
    "SNOWFLAKE_SETUP_ROLE": f"{NAME}_setup",
    "SNOWFLAKE_LOADER_ROLE": f"{NAME}_loader",
    "SNOWFLAKE_ROLE": f"{NAME}_transformer",
    "SNOWFLAKE_READER_ROLE": f"{NAME}_reader",
    "SNOWFLAKE_UNMASKED_ROLE": "",
    "SNOWFLAKE_WAREHOUSE": NAME,
    "SNOWFLAKE_WAREHOUSE_SIZE": "xsmall",
    "SNOWFLAKE_DEV_WAREHOUSE": f"{NAME}_dev",
    "SNOWFLAKE_RESOURCE_MONITOR": NAME,
    "SNOWFLAKE_MONTHLY_CREDITS": "1",
    "SNOWFLAKE_RAW_DATABASE": f"{NAME}_raw",
    "SNOWFLAKE_RAW_SCHEMA": "amplitude",
    "SNOWFLAKE_DATABASE": NAME,
    "SNOWFLAKE_MARTS_SCHEMA": "amplitude",
    "SNOWFLAKE_STORAGE_INTEGRATION": NAME,
    "SNOWFLAKE_ERROR_INTEGRATION": f"{NAME}_errors",
    "SNOWFLAKE_ERROR_TOPIC_ARN": "",
    "SNOWFLAKE_ERROR_ROLE_ARN": "",
    "SNOWFLAKE_AWS_ROLE_ARN": "",
    "SNOWFLAKE_CI_USER": f"{NAME}_ci",
    "SNOWFLAKE_CI_PUBLIC_KEY_PATH": "",
    "AWS_STACK": "amplitude-verify",
    "LANDING_KMS_KEY_ARN": "",
    "GITHUB_SUBJECT": "",
    "AMP_PROJECT_ID": "",
    "AMP_START": "",
    "DBT_SCHEMA": "amplitude",
    "SETTINGS": "none",
    "DBT_OWN": "none",
}
PROJECT = "100500123"
FIRST_DAYS = "2026-01-12", "2026-01-17"
# Lands after the first build, with an hour of lines that no SDK sends.
LATE_DAYS = "2026-01-18", "2026-01-19T00"
ODD_LINES = [
    "{not JSON}",
    r'{"uuid": "half-a-pair", "event_type": "\ud83d cut", "user_id": "odd",'
    r' "app": 100500123, "event_time": "2026-01-19 00:10:00.000000",'
    r' "server_upload_time": "2026-01-19 00:10:00.000000"}',
]
ALLOWED = ("--vars", "{unparsed_lines_allowed: 1}")
# Columns that differ between two loads of the same files.
OF_A_LOAD = {"loaded_at", "file_modified_at", "file_content_key", "batch_number"}
# Some of what a build sets (dbt/macros/engines/session.sql) and accounts may change.
PARAMETERS = {
    "TIMEZONE": "UTC",
    "WEEK_START": "1",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": "false",
    "TRANSACTION_ABORT_ON_ERROR": "true",
}


class CheckError(Exception):
    """A check failed; the message says what was found."""


@dataclass(frozen=True)
class Result:
    """The result of a check."""

    name: str
    is_passed: bool
    detail: str
    seconds: float


@dataclass
class Verification:
    """The scratch accounts' settings, and the checks in their order.

    `folder` holds the export to serve, the copy of the landing and the DuckDB file.
    """

    environment: dict[str, str]
    folder: Path
    export: Path = field(init=False)

    def __post_init__(self) -> None:
        self.settings = CloudSettings.read(self.environment)
        self.export = self.folder / "export"

    def checks(self) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("set up both accounts", self.set_up),
            ("land six days", lambda: self.ingest(*FIRST_DAYS)),
            ("the pipes load them", self.load),
            ("build all models", self.build),
            ("land a late day and two odd lines", self.land_late),
            ("the pipes load these too", self.load),
            ("build what is affected", lambda: self.build(*ALLOWED)),
            ("a broken line costs no other line", self.count_lines),
            ("every mart equals DuckDB's", self.compare),
            ("a failed statement changes nothing", self.fail_a_statement),
            ("the second of two builds is refused", self.build_twice_at_once),
            ("session parameters", self.read_parameters),
        ]

    def set_up(self) -> str:
        self._run(sys.executable, "-m", "snowflake_setup", "cloud-setup")
        return "bucket, roles, warehouses, databases, pipes"

    def ingest(self, start: str, end: str) -> str:
        with serve(self.export) as api:
            self._run(
                *(sys.executable, "-m", "ingest", "--start", start, "--end", end),
                **api.environment,
            )
        return f"upload hours {start} to {end}"

    def land_late(self) -> str:
        hour = datetime.fromisoformat(LATE_DAYS[1])
        name = f"{PROJECT}_{hour:%Y-%m-%d}_{hour.hour}#0.json.gz"
        lines = "\n".join(ODD_LINES).encode() + b"\n"
        (self.export / PROJECT / name).write_bytes(gzip.compress(lines))
        return self.ingest(*LATE_DAYS)

    def load(self) -> str:
        finished = self._run(
            *(sys.executable, "-m", "snowflake_setup", "wait-loaded", "--all"),
            f"--timeout={self.environment.get('VERIFY_LOAD_SECONDS', '900')}",
        )
        return finished.strip().splitlines()[-1]

    def build(self, *arguments: str) -> str:
        done = self._dbt("snowflake", *arguments).strip().splitlines()[-1]
        return done.rpartition("Done. ")[2]

    def count_lines(self) -> str:
        """Check that raw holds both odd lines, and that the valid one is an event."""
        names = self.settings.names
        hour = f"events/{PROJECT}/2026-01-19/00/"
        with self._session() as snowflake:
            [raw] = snowflake.rows(
                f"select count(*) as n from {names.raw}.events"
                f" where contains(filename, '{hour}')"
            )
            [events] = snowflake.rows(
                f"select count(*) as n from {names.database}.amplitude"
                ".amplitude__events where amplitude_user_id = 'odd'"
            )
        if (int(raw["n"]), int(events["n"])) != (2, 1):
            raise CheckError(f"{raw['n']} lines in raw, {events['n']} of them an event")
        return "2 lines in raw, 1 of them an event"

    def compare(self) -> str:
        """Compare one figure per column of each mart: see `figure`."""
        landing, warehouse = self.folder / "landing", self.folder / "w.duckdb"
        self._copy_landing(landing)
        self._dbt(*("duckdb", *ALLOWED), LANDING=str(landing), WAREHOUSE=str(warehouse))
        count = 0
        different = []
        with self._session() as snowflake, duckdb.connect(warehouse) as connection:
            for mart, columns in self._marts(snowflake).items():
                asked = ", ".join(
                    f"{expression} as c{number}"
                    for number, (_, expression) in enumerate(columns)
                )
                named = f"amplitude.{mart}"
                [found] = snowflake.rows(
                    f"select {asked} from {self.settings.names.database}.{named}"
                )
                [ours] = connection.execute(f"select {asked} from {named}").fetchall()
                for number, (column, expression) in enumerate(columns):
                    one, other = plain(found[f"c{number}"]), plain(ours[number])
                    count += 1
                    if one != other:
                        what = f"{mart}.{column}: {expression}"
                        different.append(f"{what}: {one}, {other}")
        if different:
            raise CheckError(
                f"{len(different)} of {count} figures differ (Snowflake, DuckDB): "
                + "; ".join(different[:5])
            )
        return f"{count} figures are equal"

    def _marts(self, snowflake: Session) -> dict[str, list[tuple[str, str]]]:
        """The columns of each mart, with the expression to compare."""
        marts: dict[str, list[tuple[str, str]]] = {}
        for row in snowflake.rows(
            "select table_name, column_name, data_type"
            f" from {self.settings.names.database}.information_schema.columns"
            " where table_schema = 'AMPLITUDE' order by table_name, ordinal_position"
        ):
            mart, column = row["table_name"].lower(), row["column_name"].lower()
            if not mart.startswith("amplitude__"):
                continue
            asked = marts.setdefault(mart, [("rows", "count(*)")])
            if column not in OF_A_LOAD:
                asked.append((column, figure(row["data_type"]).format(column)))
        return marts

    def _copy_landing(self, folder: Path) -> None:
        s3 = client(self.settings, "s3")
        bucket = self.settings.bucket
        with aws_errors(f"reading {bucket}"):
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for page in pages:
                for item in page.get("Contents", []):
                    path = folder / item["Key"].removeprefix(self.settings.prefix)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    s3.download_file(bucket, item["Key"], str(path))

    def fail_a_statement(self) -> str:
        """Check that a failed insert rolls the deletion back, even if the session then
        runs DDL, which commits an open transaction."""
        table = f"{self.settings.names.database}.amplitude.verify_replaced"
        statements = [f"delete from {table}", f"insert into {table} select 1 / 0"]
        block = self._dbt_text(f"{{{{ run_atomically({statements}) }}}}")
        with self._session() as snowflake:
            snowflake.rows(f"create or replace table {table} as select 1 as id")
            try:
                snowflake.rows(block)
            except SnowflakeError:
                pass
            else:
                raise CheckError("a division by zero did not fail")
            snowflake.rows(f"create or replace table {table}_after as select 1 as id")
            [left] = snowflake.rows(f"select count(*) as n from {table}")
            snowflake.rows(f"drop table {table}")
            snowflake.rows(f"drop table {table}_after")
        if int(left["n"]) != 1:
            raise CheckError("the deletion was not rolled back: the row is gone")
        return "the deletion was rolled back"

    def build_twice_at_once(self) -> str:
        builds = [
            subprocess.Popen(
                self._build_command(f"at-once-{number}", "--full-refresh", *ALLOWED),
                env=self.environment | {"TARGET": "snowflake"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for number in range(2)
        ]
        said = [build.communicate()[0] for build in builds]
        codes = sorted(build.returncode for build in builds)
        refused = [text for text in said if "holds the build lock" in text]
        if codes[0] or not codes[1] or len(refused) != 1:
            raise CheckError(f"exit codes {codes}, {len(refused)} refused by the lock")
        return "the lock stopped the second one"

    def read_parameters(self) -> str:
        # Other roles may not be allowed to read the account's parameters.
        with session(self.settings, self.settings.names.admin_role) as snowflake:
            found = {
                row["key"]: str(row["value"])
                for row in snowflake.rows("show parameters in account")
            }
        other = [
            f"{name} is {found[name]}, builds set {value}"
            for name, value in PARAMETERS.items()
            if name in found and found[name].lower() != value.lower()
        ]
        return "; ".join(other) or "as builds set them"

    def remove(self) -> str:
        self._refuse_data_of_others()
        holders = self.settings.names.database, self.settings.names.raw_database
        self._run(
            *(sys.executable, "-m", "snowflake_setup", "cloud-teardown", "--confirm"),
            *("--delete", *holders, self.settings.bucket),
        )
        return "no scratch is left"

    def _refuse_data_of_others(self) -> None:
        """The scratch bucket holds the sample alone, or it is not emptied."""
        s3 = client(self.settings, "s3")
        bucket, folder = self.settings.bucket, self.settings.prefix
        sample = tuple(f"{folder}{kind}/{PROJECT}/" for kind in ("events", "ledger"))
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        with aws_errors(f"listing {bucket}"), suppress(s3.exceptions.NoSuchBucket):
            for page in pages:
                for version in page.get("Versions", []):
                    if not version["Key"].startswith((*sample, f"{folder}limits/")):
                        raise CheckError(
                            f"{bucket} holds {version['Key']}, which is not of the"
                            " sample: set VERIFY_BUCKET to the name of a new bucket"
                        )

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with session(self.settings, self.settings.names.transformer_role) as opened:
            yield opened

    def _build_command(self, name: str, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "runner", "--no-use-colors", "build"),
            *("--exclude-resource-type", "unit_test"),
            *("--target-path", str(self.folder / f"target-{name}"), *arguments),
        ]

    def _dbt(self, target: str, *arguments: str, **settings: str) -> str:
        command = self._build_command(target, *arguments)
        return self._run(*command, TARGET=target, **settings)

    def _dbt_text(self, template: str) -> str:
        """Render a dbt template for Snowflake."""
        output = self._run(
            *(sys.executable, "-m", "runner", "--quiet", "--no-use-colors", "compile"),
            *("--target-path", str(self.folder / "target-snowflake")),
            *("--output", "text", "--inline", template),
            TARGET="snowflake",
        )
        return output.strip()

    def _run(self, *command: str, **settings: str) -> str:
        finished = subprocess.run(
            command,
            env=self.environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if finished.returncode:
            end = " | ".join(finished.stdout.strip().splitlines()[-8:])
            raise CheckError(f"exit code {finished.returncode}: {end}")
        return finished.stdout


def figure(data_type: str) -> str:
    """The aggregate to compare for a column of this Snowflake type."""
    kind = data_type.upper().partition("(")[0]
    if kind in ("NUMBER", "INTEGER", "BIGINT", "DECIMAL", "FLOAT", "DOUBLE"):
        return "sum({})"
    if kind == "BOOLEAN":
        return "count_if({})"
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return "max({})"
    if kind in ("TEXT", "VARCHAR"):
        return "count(distinct {})"
    return "count({})"


def plain(value: Any) -> Any:
    """The value in one form for both targets; floats with nine digits."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    if value is None or isinstance(value, (bool, str, date)):
        return str(value)
    return f"{float(value):.9g}"


def environment_of(given: dict[str, str]) -> dict[str, str]:
    """The user's settings, with the names of the scratch. Raises SettingsError."""
    settings = CloudSettings.read(given)
    settings.require("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "AWS_REGION")
    bucket = given.get("VERIFY_BUCKET") or f"{settings.bucket[:56]}-verify"
    if not bucket.endswith("-verify") or bucket == settings.bucket:
        raise SettingsError(
            f"VERIFY_BUCKET is {bucket}: it must end in -verify, and must not be the"
            " landing's bucket, because it is emptied and deleted"
        )
    return given | SCRATCH | {"LANDING": f"s3://{bucket}/amplitude"}


def verify(verification: Verification, *, keep: bool) -> list[Result]:
    """Run the checks, print a line for each; the first that fails ends them."""
    results = []

    def check(name: str, run: Callable[[], str]) -> bool:
        started = time.monotonic()
        try:
            is_passed, detail = True, run()
        except (CheckError, SnowflakeError, AwsError) as error:
            is_passed, detail = False, str(error)
        except Exception as error:
            is_passed, detail = False, f"unexpected {type(error).__name__}: {error}"
        detail = safe(detail, verification)
        seconds = time.monotonic() - started
        results.append(Result(name, is_passed, detail, seconds))
        mark = "OK  " if is_passed else "FAIL"
        print(f"{mark} {name}: {detail} ({seconds:.0f} s)", flush=True)
        return is_passed

    # A killed run may have left scratch objects.
    if check("remove what an earlier run left", verification.remove):
        try:
            for name, run in verification.checks():
                if not check(name, run):
                    break
        finally:
            if not keep:
                check("remove the scratch", verification.remove)
    return results


def safe(text: str, verification: Verification) -> str:
    """The text without secrets, and without what names an account or its people."""
    # AWS accounts are numbers of twelve digits.
    text = re.sub(r"(?<!\d)\d{12}(?!\d)", "***", text)
    settings = verification.settings
    named = [
        settings.sign_in.account,
        settings.sign_in.user,
        settings.bucket,
        verification.environment.get("SNOWFLAKE_HOST", ""),
    ]
    return redact(text, [*settings.secrets, *(name for name in named if name)])


def report(results: list[Result], version: str) -> str:
    """The results as Markdown, to be pasted into an issue."""
    lines = [
        f"### make verify-account, {datetime.now(UTC):%Y-%m-%d}",
        "",
        f"Amplitude Warehouse {__version__}, Snowflake {version}, Python"
        f" {sys.version.split()[0]} on {sys.platform}",
        "",
        "| check | result | seconds | detail |",
        "|---|---|---|---|",
    ]
    for result in results:
        detail = result.detail.replace("|", "\\|")
        passed = "OK" if result.is_passed else "**FAIL**"
        lines.append(f"| {result.name} | {passed} | {result.seconds:.0f} | {detail} |")
    return "\n".join([*lines, ""])


def version_of(settings: CloudSettings) -> str:
    with session(settings, settings.names.admin_role) as snowflake:
        [row] = snowflake.rows("select current_version() as version")
    return str(row["version"])


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.verify_account", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--keep", action="store_true", help="leave the scratch")
    asked = parser.parse_args()
    load_dotenv(".env")
    try:
        environment = environment_of(dict(os.environ))
        version = version_of(CloudSettings.read(environment))
    except (SettingsError, SnowflakeError) as error:
        print(f"verify-account: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        verification = Verification(environment, Path(name))
        shutil.copytree(EXPORT_DIR, verification.export)
        try:
            results = verify(verification, keep=asked.keep)
        except KeyboardInterrupt:
            print("verify-account: interrupted", file=sys.stderr)
            return 130
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report(results, version), encoding="utf-8")
    print(f"report: {REPORT}")
    return 0 if all(result.is_passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
