"""Run a command against a sandbox service, or hand its settings to a shell."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence


def split_command(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments before the first `--`, and the command behind it."""
    arguments = list(arguments)
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def run(
    environment: Mapping[str, str],
    command: Sequence[str],
    inherited: Mapping[str, str] = os.environ,
) -> int:
    """Run `command` with `environment` added to `inherited`; return its exit code.

    Without a command, print the environment as `export NAME=value` lines to stdout
    and wait for Ctrl-C or SIGTERM. For a program's main thread only: it sets signal
    handlers. A command that a signal ended gives 128 + the signal's number, as in a
    shell; one that does not exist gives 127.
    """
    if not command:
        return _wait_for_signal(environment)
    try:
        process = subprocess.Popen(command, env={**inherited, **environment})
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    # The terminal sends Ctrl-C to the command too; the service outlives it, so that
    # the command can finish what it does on the way out.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = process.wait()
    return code if code >= 0 else 128 - code


def _wait_for_signal(environment: Mapping[str, str]) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name, value in environment.items():
        print(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()
    print("Serving until Ctrl-C.", file=sys.stderr)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return 0
