"""Run processes, beside us or to be measured by the operating system."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Cost:
    """Seconds, and bytes: of memory at its peak, and written to disk in all."""

    wall: float
    cpu: float
    memory: int
    disk: int


@contextmanager
def service(module: str, *arguments: str) -> Iterator[dict[str, str]]:
    """Run a service of the sandbox; yields the settings that lead to it."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            # It says where it is, and then that it serves.
            assert process.stdout and process.stderr
            process.stderr.readline()
            os.set_blocking(process.stdout.fileno(), False)
            lines = shlex.split(process.stdout.read().replace("export ", ""))
            yield dict(line.split("=", 1) for line in lines)
        finally:
            process.terminate()


def measure(command: str, environment: dict[str, str], folder: Path) -> Cost:
    """Run a module to its end. Raises RuntimeError if it fails."""
    with (folder / "output").open("w") as output:
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", *command.split()],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command}:\n{(folder / 'output').read_text()}")
    return Cost(
        wall=wall,
        cpu=used.ru_utime + used.ru_stime,
        memory=used.ru_maxrss * 1024,
        disk=used.ru_oublock * 512,
    )
