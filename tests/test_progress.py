"""The ingest shows how far it is: bytes while an answer arrives, and hours."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

DAY = ("--start", "2026-01-13", "--end", "2026-01-13")


def test_bytes_move_while_an_answer_arrives(ingest_environment, tmp_path, api):
    """A day is one answer: the bar shows bytes before any hour is done."""
    api.faults.add("slow", seconds=0.0, chunk_seconds=0.4)
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))
    run = subprocess.Popen(
        [sys.executable, "-m", "ingest", *DAY],
        cwd=tmp_path,
        env=ingest_environment,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            read = os.read(leader, 4096)
        except OSError:
            break
        if not read:
            break
        shown += read
    os.close(leader)
    assert run.wait() == 0, shown.decode()
    states = re.findall(r"(\d+)/24 .*?([\d.]+) MB, ([\d.]+) MB/s", shown.decode())
    before = {float(megabytes) for hours, megabytes, _ in states if hours == "0"}
    assert len(before) > 2 and max(before) > 0.1
    assert states[-1][0] == "24"


def test_without_a_terminal_there_are_lines_and_no_bar(ingest, api, monkeypatch):
    api.faults.add("slow", seconds=0.0, chunk_seconds=0.1)
    finished = ingest(*DAY)
    assert "\r" not in finished.stderr and "\x1b" not in finished.stderr
    # A short run says nothing between its first and its last line.
    assert "MB/s" not in finished.stderr


def test_a_long_run_says_how_far_it_is(caplog, monkeypatch):
    from ingest import progress

    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with caplog.at_level("INFO"), progress.Progress(168) as shown:
        shown.update(24, 3_500_000)
    assert re.search(r"24 of 168 hours, 3\.5 MB, [\d.]+ MB/s, 0 s", caplog.text)
