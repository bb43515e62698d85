"""dbt without its start: a process loads it, and each command runs in a fork of it.

The process parses the project once, because much of dbt is loaded only then. After that
it runs a command for each line of its input, a JSON object with `arguments`,
`environment` and `output`, the file for what it prints, and answers with the exit code.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# A command that takes longer hangs.
LONGEST_SECONDS = 600


def in_a_fork(arguments: list[str], environment: dict[str, str], output: str) -> int:
    """The exit code of the command; negative if a signal ended it."""
    from dbt.cli.main import cli

    process = os.fork()
    if not process:
        # A fifth of the time otherwise, to free little in a process that ends soon.
        gc.disable()
        signal.alarm(LONGEST_SECONDS)
        os.environ.clear()
        os.environ.update(environment)
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = ["dbt", *arguments]
        code = 1
        try:
            cli()
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:
            traceback.print_exc()
        # The process ends as dbt's does, so that DuckDB writes what it has open; what
        # extensions say of that is not dbt's.
        sys.stdout.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.exit(code)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def serve() -> None:
    """Load dbt and parse, then run the commands of the input."""
    from dbt.cli.main import dbtRunner

    # The static parser starts threads, which a fork would wait for and does not have.
    parsed = dbtRunner().invoke(["--quiet", "--no-static-parser", "parse"])
    if parsed.exception:
        raise parsed.exception
    for line in sys.stdin:
        print(in_a_fork(**json.loads(line)), flush=True)


@cache
def started() -> subprocess.Popen:
    """The process, of which each of the tests' processes has one."""
    folder = tempfile.mkdtemp()
    settings = {
        "TARGET": "duckdb",
        "WAREHOUSE": f"{folder}/warehouse.duckdb",
        "DBT_PROJECT_DIR": str(REPOSITORY / "dbt"),
        "DBT_PROFILES_DIR": str(REPOSITORY / "dbt"),
        "DBT_TARGET_PATH": f"{folder}/target",
        "DBT_LOG_PATH": f"{folder}/logs",
        # macOS ends a fork of a process that has loaded its frameworks.
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
    }
    return subprocess.Popen(
        [sys.executable, __file__],
        cwd=REPOSITORY,
        env=os.environ | settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(
    arguments: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess:
    """Run a command of dbt; its output is in `stdout`."""
    process = started()
    with tempfile.NamedTemporaryFile("r") as output:
        command = {
            "arguments": arguments,
            "environment": environment,
            "output": output.name,
        }
        assert process.stdout
        print(json.dumps(command), file=process.stdin, flush=True)
        code = int(process.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, output.read())


if __name__ == "__main__":
    serve()
