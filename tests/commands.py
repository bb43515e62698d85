"""Runs this project's commands in the tests' own process: no time for imports."""

import os
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import boto3
import botocore.loaders
import botocore.session
import schemachange.cli

import doctor.__main__
from snowflake_setup import deploy
from snowflake_setup.__main__ import main


@dataclass(frozen=True)
class Finished:
    """What a command has answered."""

    returncode: int
    stdout: str
    stderr: str


def snowflake_setup(environment: dict[str, str], *arguments: str) -> Finished:
    """Run `python -m snowflake_setup` with this environment and no `.env`."""
    return run(environment, lambda: main(arguments))


def doctors_findings(environment: dict[str, str]) -> Finished:
    """Run `python -m doctor`, as above."""
    return run(environment, doctor.__main__.main)


def run(environment: dict[str, str], command: Callable[[], int]) -> Finished:
    out, err = StringIO(), StringIO()
    before = Path.cwd()
    with (
        TemporaryDirectory() as folder,
        patch.dict(os.environ, environment, clear=True),
        patch.object(deploy, "run", run_schemachange),
        # The last one has read its credentials from another environment.
        patch("boto3.DEFAULT_SESSION", aws_session()),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        os.chdir(folder)
        try:
            code = command()
        finally:
            os.chdir(before)
    return Finished(code, out.getvalue(), err.getvalue())


def aws_session() -> boto3.Session:
    """A session that has read nothing yet but the descriptions of AWS's services,
    which take longer to read than to use."""
    session = botocore.session.Session()
    session.register_component("data_loader", DESCRIPTIONS)
    return boto3.Session(botocore_session=session)


DESCRIPTIONS = botocore.loaders.create_loader()


def run_schemachange(
    command: list[str], env: dict[str, str]
) -> subprocess.CompletedProcess:
    """What deploy runs as a process of its own, without the time that it takes to
    start; the tests of the emulator start it as it is."""
    said, code = StringIO(), 0
    with (
        patch.dict(os.environ, env, clear=True),
        patch("sys.argv", command),
        redirect_stdout(said),
        redirect_stderr(said),
    ):
        try:
            schemachange.cli.main()
        except SystemExit as ended:
            code = int(bool(ended.code))
        except Exception as error:
            print("Error:", error)
            code = 1
    return subprocess.CompletedProcess(command, code, said.getvalue())
