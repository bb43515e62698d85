"""What the ingest costs, beside other ways to bring the same day to S3.

    make benchmark ARGS="--events 2000000 --rounds 3"

All ways take turns, round by round, so that a busy machine is busy for each of them.
Each is a process of its own, measured by the operating system. The Export API, the S3
that only counts and SeaweedFS are processes beside it on the same cores.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.events import write_export

REPOSITORY = Path(__file__).parents[1]
LINK_BYTES_PER_SECOND = 40_000_000

PLAIN, FLOOR, DOWNLOAD = (
    f"benchmarks.ways {way}" for way in ("plain", "floor", "download")
)
INGEST = "ingest --start 2026-01-01 --end 2026-01-01"

# What is run; the first of a group is what the others are compared with.
GROUPS = {
    ("local", "counting"): [
        PLAIN,
        FLOOR,
        INGEST,
        f"{INGEST} --validate",
        f"{INGEST} --format json",
    ],
    ("local", "SeaweedFS"): [PLAIN, FLOOR, INGEST],
    ("40 MB/s", "counting"): [DOWNLOAD, INGEST],
}


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


def rounds(
    export: Path, folder: Path, number: int, only: str
) -> Iterator[tuple[tuple, str, Cost]]:
    """Run everything so often; yields group, command and cost."""
    api = ["sandbox.export_api", "--stored", "--export", str(export)]
    with ExitStack() as stack:
        start = stack.enter_context
        settings = {
            "local": start(service(*api)),
            "40 MB/s": start(
                service(*api, "--bytes-per-second", str(LINK_BYTES_PER_SECOND))
            ),
            "counting": start(service("benchmarks.sink")),
            "SeaweedFS": start(service("sandbox.object_store", str(folder / "s3"))),
        }
        runs = count(1)
        for _ in range(number):
            for group, commands in GROUPS.items():
                for command in commands:
                    if only not in command:
                        continue
                    prefix = f"run-{next(runs)}"
                    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
                    for name in group:
                        environment |= settings[name]
                    environment["PREFIX"] = prefix
                    environment["LANDING"] = (
                        f"s3://{environment['AWS_BUCKET']}/{prefix}"
                    )
                    yield group, command, measure(command, environment, folder)


def table(costs: dict[tuple[tuple, str], list[Cost]]) -> Iterator[str]:
    """The medians, as lines of Markdown."""
    yield "| from | to | way | wall | ratio | CPU | memory | disk |"
    yield "|---|---|---|---|---|---|---|---|"
    for (group, command), found in costs.items():
        one = costs.get((group, GROUPS[group][0]), found)
        ratio = median(
            cost.wall / first.wall for cost, first in zip(found, one, strict=True)
        )
        way = re.sub(r"benchmarks.ways | --(start|end) \S+", "", command)
        wall, cpu = (
            median(getattr(c, name) for c in found) for name in ("wall", "cpu")
        )
        memory, disk = (
            max(getattr(c, name) for c in found) for name in ("memory", "disk")
        )
        yield (
            f"| {group[0]} | {group[1]} | {way} | {wall:.1f} s | {ratio:.2f}"
            f" | {cpu:.1f} s | {memory / 1e6:.0f} MB | {disk / 1e6:.0f} MB |"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ingest", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=1, help="so often, each file")
    parser.add_argument("--export", type=Path, help="one that benchmarks.events wrote")
    parser.add_argument("--only", default="", help="ways whose name holds this")
    asked = parser.parse_args()
    costs: dict[tuple[tuple, str], list[Cost]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export = asked.export or folder / "export"
        if not asked.export:
            write_export(export, asked.events, copies=asked.copies)
        for group, command, cost in rounds(export, folder, asked.rounds, asked.only):
            print(*group, command, cost, file=sys.stderr)
            costs.setdefault((group, command), []).append(cost)
    print(*table(costs), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
