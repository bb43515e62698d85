"""Random histories of the ingest: whatever happens, every event lands once.

A history is a source that changes, runs that meet faults, are killed at random instants
or run two at a time, and at last a run in peace. `make soak` plays thousands; a history
that failed is played again by its number: `make soak HISTORY=17`.
"""

import contextlib
import faulthandler
import gzip
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from sandbox.amplitude.export_api import ExportApi, Fault, serve

HISTORIES = int(os.environ.get("HISTORIES", "200"))
ONE_HISTORY = os.environ.get("HISTORY")

FIRST_HOUR = datetime(2026, 3, 1, tzinfo=UTC)
HOURS = 8
WINDOW = ["--start", "2026-03-01T00", "--end", "2026-03-01T07"]

# A clean process from which the runs are forked: they start at once.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["ingest.__main__"])


def run_ingest(folder: Path, environment: dict[str, str], arguments: list[str]) -> None:
    """`python -m ingest`, in a process of its own."""
    from ingest.__main__ import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["ingest", *arguments]
    sys.stderr = (folder / "stderr").open("a", buffering=1)
    # Where it hangs, if it does.
    faulthandler.register(signal.SIGUSR1, sys.stderr)
    os._exit(main())


def run_interrupted(line: int, *run: Any) -> None:
    """`python -m ingest`, with Ctrl-C at the nth line that tqdm executes."""
    lines = itertools.count()

    def trace(frame: FrameType, event: str, _: Any) -> Callable | None:
        if not frame.f_code.co_filename.endswith("tqdm/std.py"):
            return None
        if event == "line" and next(lines) == line:
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    run_ingest(*run)


class History:
    """One history, played from its number."""

    def __init__(self, number: int, folder: Path, api: ExportApi) -> None:
        self.random = random.Random(number)
        self.folder = folder
        self.source = folder / "export" / "5"
        self.source.mkdir(parents=True)
        self.landing = folder / "landing"
        self.api = api
        self.rows = 0
        self.ever_exported: set[str] = set()
        for _ in range(self.random.randint(0, 8)):
            self.change_source()
        self.changes = self.random.random() < 0.7

    def change_source(self) -> None:
        """Export an hour for the first time, one more member of it, or it again."""
        hour, part = self.random.randrange(HOURS), self.random.randrange(3)
        path = self.source / f"5_2026-03-01_{hour}#{part}.json.gz"
        lines = gzip.decompress(path.read_bytes()) if path.exists() else b""
        for _ in range(self.random.choice([1, 10, 2000])):
            self.rows += 1
            noise = self.random.randbytes(20).hex()
            row = {"uuid": f"{self.rows}", "event_type": "Seen", "noise": noise}
            lines += json.dumps(row).encode() + b"\n"
        content = gzip.compress(lines, mtime=0)
        path.write_bytes(content)
        self.ever_exported.add(hashlib.sha256(content).hexdigest())

    def faults(self) -> Iterator[Fault]:
        for _ in range(self.random.randint(0, 3)):
            hours = [
                f"{FIRST_HOUR + timedelta(hours=hour):%Y%m%dT%H}"
                for hour in range(HOURS)
                if self.random.random() < 0.3
            ]
            yield Fault(
                kind=self.random.choice(
                    ["429", "500", "503", "504", "too_large", "drop", "truncate"]
                    + ["bad_crc", "bad_gzip", "bad_line", "slow"] * 2
                ),
                hours=self.random.choice([None, hours]),
                longer_than=self.random.choice([0, 0, 1, 3]),
                times=self.random.choice([1, 2, 5]),
                after_bytes=self.random.choice([0, 10, 1000, 100_000]),
                seconds=self.random.choice([0, 0.05]),
                chunk_seconds=self.random.choice([0, 0.01]),
            )

    def run(self, *more: str, in_peace: bool = False) -> int:
        """A run, or two at once; killed at a random instant unless it is in peace."""
        environment = self.api.environment | {
            "LANDING": str(self.landing),
            "AMP_BACKOFF_SECONDS": "0.001",
        }
        arguments = [*WINDOW, *more]
        runs = [
            FORKS.Process(target=run_ingest, args=(self.folder, environment, arguments))
            for _ in range(1 if in_peace else self.random.choice([1, 1, 1, 2]))
        ]
        for run in runs:
            run.start()
        for run in runs:
            if not in_peace and self.random.random() < 0.5:
                run.join(self.random.expovariate(1 / 0.06))
                assert run.pid
                with contextlib.suppress(ProcessLookupError):
                    os.kill(
                        run.pid, self.random.choice([signal.SIGKILL, signal.SIGINT])
                    )
            self.wait_for(run)
        return runs[0].exitcode or 0

    def wait_for(self, run: BaseProcess) -> None:
        """Wait in short turns: a machine that stands still for minutes uses up one."""
        for _ in range(120):
            run.join(1)
            if run.exitcode is not None:
                return
        assert run.pid
        os.kill(run.pid, signal.SIGUSR1)
        run.join(1)
        run.kill()
        pytest.fail("a run does not end: " + (self.folder / "stderr").read_text())

    def objects(self) -> dict[str, str]:
        """SHA-256 of every visible event object, by its key."""
        return {
            path.relative_to(self.landing).as_posix(): hashlib.sha256(
                path.read_bytes()
            ).hexdigest()
            for path in self.landing.glob("events/*/*/*/*")
        }

    def ledger(self) -> dict[str, dict]:
        lines = [
            json.loads(line)
            for path in self.landing.glob("ledger/*/*/*.json")
            for line in path.read_text().splitlines()
        ]
        lines.sort(key=lambda line: line["exported_at"])
        return {line["hour"][:13]: line for line in lines}

    def check(self) -> None:
        """What holds at any instant, also right after a kill."""
        objects = self.objects()
        for key, digest in objects.items():
            assert key.endswith(f"-{digest[:16]}.json.gz"), "a partial object is seen"
            assert digest in self.ever_exported, "an object that was never exported"
        for line in self.ledger().values():
            for file in line["files"]:
                assert objects[file["key"]] == file["sha256"], "recorded, not landed"

    def check_in_peace(self) -> None:
        """What holds when all has been said."""
        self.check()
        ledger = self.ledger()
        landed = list(self.objects().values())
        assert len(ledger) == HOURS
        assert len(landed) == len(set(landed)), "an object is there twice"
        for hour in range(HOURS):
            expected = {
                hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.source.glob(f"5_2026-03-01_{hour}#*")
            }
            line = ledger[f"2026-03-01T{hour:02}"]
            assert {file["sha256"] for file in line["files"]} == expected
            assert line["status"] == ("landed" if expected else "empty")
            assert expected <= set(landed)
        assert not list((self.landing / ".incoming").iterdir())

    def play(self) -> None:
        for _ in range(self.random.randint(1, 5)):
            self.api.faults.replace(self.faults())
            more = ["--force"] if self.random.random() < 0.3 else []
            more += ["--workers", str(self.random.randint(1, 4))]
            self.run(*more)
            self.check()
            if self.changes and self.random.random() < 0.5:
                self.change_source()
        self.api.faults.replace([])
        assert self.run(in_peace=True) == 0, "a run in peace settles every hour"
        self.check()
        # What changes after it has landed, and what was once refused for its size, is
        # found by force alone.
        lines = self.ledger().values()
        refused = [line for line in lines if line["status"] == "too_large"]
        assert all(line["is_settled"] for line in refused)
        if self.changes or refused:
            assert self.run("--force", in_peace=True) == 0
        self.check_in_peace()


@pytest.mark.parametrize(
    "number", [int(ONE_HISTORY)] if ONE_HISTORY else range(HISTORIES)
)
def test_every_event_lands_once(number: int, tmp_path: Path):
    (tmp_path / "export").mkdir()
    with serve(tmp_path / "export") as api:
        History(number, tmp_path, api).play()


@pytest.mark.parametrize("line", range(24))
def test_ctrl_c_in_a_message_ends_the_run(line: int, tmp_path: Path):
    (tmp_path / "export").mkdir()
    with serve(tmp_path / "export") as api:
        history = History(0, tmp_path, api)
        environment = api.environment | {"LANDING": str(history.landing)}
        # So that another thread has something to say.
        api.faults.replace([Fault(kind="429")])
        run = FORKS.Process(
            target=run_interrupted, args=(line, tmp_path, environment, WINDOW)
        )
        run.start()
        history.wait_for(run)
    assert run.exitcode == 130
    assert "interrupted" in (tmp_path / "stderr").read_text()
