"""Emulated accounts of AWS and Snowflake, for the tests of cloud-setup and doctor."""

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import botocore.client
from commands import Finished, doctors_findings, snowflake_setup

from sandbox.amplitude.export_api import serve
from sandbox.cloud import Cloud, cloud
from sandbox.snowflake import run, without_account
from snowflake_setup.session import Session

SUBJECT = "repo:owner@1/name@2:ref:refs/heads/main"
BUCKET, PREFIX = "cloud-landing", "amplitude/"
STACK = "amplitude-landing"
READING = ("Get", "List", "Head", "Describe", "Simulate")


DBT = ("variables and models", "dbt")


@dataclass
class World:
    """Two accounts that were set up, and what was said when they were."""

    cloud: Cloud
    environment: dict[str, str]
    said: list[Finished]
    refused: Finished | None = None

    def run(self, *arguments: str, **changes: str) -> Finished:
        environment = self.environment | changes
        if arguments == ("doctor",):
            return doctors_findings(environment)
        return snowflake_setup(environment, *arguments)

    def doctor(self, *, with_dbt: bool = False, **changes: str) -> "Examined":
        """What the doctor says.

        dbt takes seconds to start: it is asked only if it is to find something.
        """
        checks = {} if with_dbt else dict.fromkeys(DBT, lambda context: "not asked")
        with patch.dict("doctor.cloud.CHECKS", checks):
            finished = self.run("doctor", **changes)
        found = Examined({}, {}, finished.stdout)
        for line in finished.stdout.splitlines():
            if line.startswith("FAIL "):
                link, _, message = line.removeprefix("FAIL").strip().partition(": ")
                found.wrong[link] = message
            elif line.strip().startswith("fix: "):
                fix = line.strip().removeprefix("fix: ")
                found.fixes.setdefault(link, []).append(fix)
        assert finished.returncode == (1 if found.wrong else 0), finished.stdout
        assert found.wrong.keys() == found.fixes.keys(), finished.stdout
        assert "unexpected" not in finished.stdout, finished.stdout
        return found

    def fix(self, command: str) -> None:
        """Run a command that the doctor has given, whichever tool it is for."""
        if command.startswith("make "):
            target, *flags = shlex.split(command)[1:]
            waits = ["--pause=0.1", "--timeout=1"] if target == "load-missing" else []
            words = {"AGAIN=1": "--again"}
            finished = self.run(target, *waits, *(words[flag] for flag in flags))
            assert finished.returncode == 0, finished.stdout + finished.stderr
        elif command.startswith("aws "):
            _, service, action, *options = shlex.split(command)
            client = self.cloud.client(service.removesuffix("api"))
            call = getattr(client, action.replace("-", "_"))
            call(
                **{
                    name.removeprefix("--").title().replace("-", ""): (
                        json.loads(value)
                        if value.startswith("{") and not name.endswith(TEXTS)
                        else value
                    )
                    for name, value in zip(options[::2], options[1::2], strict=True)
                }
            )
        else:
            run(self.cloud.variables, command)


TEXTS = ("policy", "document")


@dataclass
class Examined:
    """What the doctor found: messages and fixes by link, and all that it printed."""

    wrong: dict[str, str]
    fixes: dict[str, list[str]]
    said: str


@contextmanager
def empty_accounts() -> Iterator[World]:
    """Accounts that nothing was set up in."""
    with cloud() as accounts, serve() as api:
        environment = {
            **without_account(),
            **accounts.variables,
            **api.environment,
            "LANDING": f"s3://{BUCKET}/{PREFIX}",
            "GITHUB_SUBJECT": SUBJECT,
        }
        yield World(accounts, environment, [])


def reads_only(run: Callable[[], Finished]) -> Finished:
    """Run something; fail if it changes anything in AWS or Snowflake."""
    asked, called = [], []
    rows, call = Session.rows, botocore.client.BaseClient._make_api_call

    def ask(self, sql):
        asked.append(sql)
        return rows(self, sql)

    def note(self, name, arguments):
        called.append(name)
        return call(self, name, arguments)

    with (
        patch.object(Session, "rows", ask),
        patch.object(botocore.client.BaseClient, "_make_api_call", note),
    ):
        finished = run()
    reading = ("select ", "show ", "desc ", "describe ", "list ")
    assert asked and all(sql.startswith(reading) for sql in asked), asked
    # AssumeRole is the emulated Snowflake's, which lives in this process.
    assert called and all(name.startswith((*READING, "AssumeRole")) for name in called)
    return finished
