"""Runs this project's commands in the tests' own process: no time for imports."""

import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from snowflake_setup.__main__ import main


@dataclass(frozen=True)
class Finished:
    """What a command has answered."""

    returncode: int
    stdout: str
    stderr: str


def snowflake_setup(environment: dict[str, str], *arguments: str) -> Finished:
    """Run `python -m snowflake_setup` with this environment and no `.env`."""
    out, err = StringIO(), StringIO()
    before = Path.cwd()
    with (
        TemporaryDirectory() as folder,
        patch.dict(os.environ, environment, clear=True),
        # It has read its credentials from another environment.
        patch("boto3.DEFAULT_SESSION", None),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        os.chdir(folder)
        try:
            code = main(arguments)
        finally:
            os.chdir(before)
    return Finished(code, out.getvalue(), err.getvalue())
