"""What the ingest costs, beside other ways to bring the same day to S3.

    make benchmark ARGS="--events 2000000 --rounds 3"

All ways take turns, round by round, so that a busy machine is busy for each of them.
Each is a process of its own, measured by the operating system. The Export API, the S3
that only counts and SeaweedFS are processes beside it on the same cores.
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.events import write_export
from benchmarks.processes import REPOSITORY, Cost, measure, service

LINK_BYTES_PER_SECOND = 40_000_000

PLAIN, FLOOR, DOWNLOAD = (
    f"benchmarks.ways {way}" for way in ("plain", "floor", "download")
)
INGEST = "ingest --start 2026-01-01 --end 2026-01-01"
START = "ingest --help"

# What is run; the first of a group is what the others are compared with.
GROUPS = {
    ("local", "counting"): [
        PLAIN,
        FLOOR,
        INGEST,
        f"{INGEST} --validate",
        f"{INGEST} --format json",
        START,
    ],
    ("local", "SeaweedFS"): [PLAIN, FLOOR, INGEST],
    ("40 MB/s", "counting"): [DOWNLOAD, INGEST],
}


def rounds(
    export: Path, folder: Path, number: int, only: str
) -> Iterator[tuple[tuple, str, Cost]]:
    """Run everything so often; yields group, command and cost."""
    api = ["sandbox.amplitude.export_api", "--stored", "--export", str(export)]
    with ExitStack() as stack:
        start = stack.enter_context
        settings = {
            "local": start(service(*api)),
            "40 MB/s": start(
                service(*api, "--bytes-per-second", str(LINK_BYTES_PER_SECOND))
            ),
            "counting": start(service("benchmarks.sink")),
            "SeaweedFS": start(service("sandbox.aws.object_store", str(folder / "s3"))),
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


def dominating(costs: dict[tuple[tuple, str], list[Cost]]) -> Iterator[str]:
    """What the ingest's time is spent on, from the ways that do a part of it."""
    for group in GROUPS:
        keys = (group, INGEST), (group, FLOOR), (("local", "counting"), START)
        if not all(key in costs for key in keys):
            continue
        whole, floor, start = (median(cost.wall for cost in costs[k]) for k in keys)
        parts = {
            "starting": start,
            "moving the bytes": floor - start,
            "proving and recording them": whole - floor,
        }
        listed = ", ".join(
            f"{name} {max(seconds, 0):.2f} s ({max(seconds, 0) / whole:.0%})"
            for name, seconds in sorted(parts.items(), key=lambda part: -part[1])
        )
        yield f"{' to '.join(group)}, of {whole:.2f} s: {listed}"


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
    print(*table(costs), "", *dominating(costs), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
