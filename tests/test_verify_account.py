"""make verify-account, on emulated accounts of AWS and Snowflake."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from snowflake.connector.errors import Error as SnowflakeError

from ingest.settings import SettingsError
from sandbox.amplitude.export_api import EXPORT_DIR
from sandbox.cloud import Cloud, cloud
from sandbox.snowflake import run, without_account
from sandbox.verify_account import (
    SCRATCH,
    CheckError,
    Result,
    Verification,
    environment_of,
    report,
    verify,
)

pytestmark = [
    pytest.mark.xdist_group("verify account"),
    pytest.mark.filterwarnings("ignore:Arrow output on a DB-API"),
]

REPOSITORY = Path(__file__).parents[1]


class Deliveries(threading.Thread):
    """What S3 and Snowpipe do by themselves: each notice loads its file."""

    def __init__(self, accounts: Cloud, bucket: str) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self._accounts, self._bucket = accounts, bucket

    def run(self) -> None:
        while not self.ended.wait(0.3):
            # The bucket is not there yet, or bucket and pipes are there no more.
            with contextlib.suppress(ClientError, SnowflakeError):
                # The emulated AWS is asked without TLS.
                self._accounts.allow_plain_http(self._bucket)
                self._accounts.deliver_notices()


@pytest.fixture(scope="module")
def verification(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verification]:
    folder = tmp_path_factory.mktemp("verify")
    with cloud() as accounts:
        environment = environment_of(
            {
                **without_account(),
                **accounts.variables,
                "LANDING": "s3://my-landing",
                "PYTHONPATH": str(REPOSITORY),
                "DBT_PROJECT_DIR": str(REPOSITORY / "dbt"),
                "DBT_PROFILES_DIR": str(REPOSITORY / "dbt"),
                "DBT_LOG_PATH": str(folder / "logs"),
                "AMP_BACKOFF_SECONDS": "0.01",
                "VERIFY_LOAD_SECONDS": "240",
            }
        )
        as_admin = {
            "SNOWFLAKE_ROLE": "accountadmin",
            "SNOWFLAKE_DATABASE": SCRATCH["SNOWFLAKE_RAW_DATABASE"],
        }
        administrator = replace(accounts, variables=accounts.variables | as_admin)
        deliveries = Deliveries(administrator, "my-landing-verify")
        deliveries.start()
        made = Verification(environment, folder)
        shutil.copytree(EXPORT_DIR, made.export)
        # boto3 reads its settings of the process, and keeps those of earlier tests.
        with (
            patch.dict(os.environ, accounts.variables),
            patch("boto3.DEFAULT_SESSION", None),
        ):
            yield made
        deliveries.ended.set()
        deliveries.join()


@pytest.fixture(scope="module")
def results(verification: Verification) -> list[Result]:
    return verify(verification, keep=True)


@pytest.fixture(scope="module")
def scratch(verification: Verification, results: list[Result]) -> Verification:
    """The scratch as the checks have left it; each test below breaks more of it."""
    assert all(result.is_passed for result in results)
    return verification


def change(verification: Verification, statement: str) -> list[tuple]:
    """Run a statement as the administrator, who may break everything."""
    as_admin = {"SNOWFLAKE_ROLE": "accountadmin"}
    return run(verification.environment | as_admin, statement)


def test_all_checks_pass(verification, results):
    failed = [result for result in results if not result.is_passed]
    assert not failed
    assert len(results) == 1 + len(verification.checks())
    text = report(results, "9.0.0")
    assert text.count("| OK |") == len(results) and "**FAIL**" not in text
    assert "my-landing-verify" not in text


def test_a_replacement_in_two_steps_is_found(scratch, monkeypatch):
    def in_two_steps(template: str) -> str:
        delete, insert = re.findall(r"'(.*?)'", template)
        return f"execute immediate $$\nbegin\n{delete};\n{insert};\nend;\n$$"

    monkeypatch.setattr(scratch, "_dbt_text", in_two_steps)
    with pytest.raises(CheckError, match="the deletion was not rolled back"):
        scratch.fail_a_statement()


def test_a_figure_that_differs_is_found(scratch):
    change(
        scratch,
        "delete from amplitude_verify.amplitude.amplitude__sessions"
        " where session_id = (select max(session_id)"
        " from amplitude_verify.amplitude.amplitude__sessions)",
    )
    with pytest.raises(CheckError, match=r"figures differ.*amplitude__sessions\.rows"):
        scratch.compare()


def test_builds_without_a_lock_are_found(scratch, monkeypatch):
    def without_lock(*_: str) -> list[str]:
        return [sys.executable, "-c", ""]

    monkeypatch.setattr(scratch, "_build_command", without_lock)
    with pytest.raises(CheckError, match=r"exit codes \[0, 0\], 0 refused by the lock"):
        scratch.build_twice_at_once()


def test_a_line_that_is_missing_is_found(scratch):
    line = "contains(filename, '/2026-01-19/00/') and file_row_number = 1"
    change(scratch, f"delete from amplitude_verify_raw.amplitude.events where {line}")
    with pytest.raises(CheckError, match="1 lines in raw"):
        scratch.count_lines()
    scratch.environment["VERIFY_LOAD_SECONDS"] = "1"
    with pytest.raises(CheckError, match="raw is not complete"):
        scratch.load()


def test_a_bucket_with_other_data_is_not_emptied(scratch):
    s3 = boto3.client("s3")
    bucket, key = "my-landing-verify", "amplitude/events/7/2026-01-12/05/0-aa.json"
    s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
    with pytest.raises(CheckError, match="set VERIFY_BUCKET to the name of a new"):
        scratch.remove()
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] > 100
    [version] = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    s3.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])


@pytest.mark.parametrize("bucket", ["my-landing", "their-bucket"])
def test_a_bucket_that_may_be_in_use_is_refused(bucket):
    given = {
        "SNOWFLAKE_ACCOUNT": "account",
        "SNOWFLAKE_USER": "jane",
        "AWS_REGION": "us-east-1",
        "LANDING": "s3://my-landing",
        "VERIFY_BUCKET": bucket,
    }
    with pytest.raises(SettingsError, match="must end in -verify"):
        environment_of(given)


def test_a_check_that_fails_ends_it_and_the_scratch_is_removed(scratch, monkeypatch):
    def fail() -> str:
        raise CheckError(f"{scratch.settings.sign_in.user} may not")

    monkeypatch.setattr(scratch, "checks", lambda: [("one", fail), ("two", fail)])
    removals = iter([lambda: "nothing", scratch.remove])
    monkeypatch.setattr(scratch, "remove", lambda: next(removals)())
    results = verify(scratch, keep=False)
    assert [result.name for result in results] == [
        "remove what an earlier run left",
        "one",
        "remove the scratch",
    ]
    assert results[1].detail == "*** may not"
    assert "| one | **FAIL** |" in report(results, "9.0.0")
    for kind in ("database", "warehouse", "role"):
        assert not change(scratch, f"show {kind}s like 'amplitude_verify'"), kind


def test_without_an_account_it_says_what_is_missing(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-m", "sandbox.verify_account"],
        cwd=tmp_path,
        env=without_account() | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 2
    assert "SNOWFLAKE_ACCOUNT is not set" in finished.stderr
