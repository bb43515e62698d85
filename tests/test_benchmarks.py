"""The benchmarks run, and measure what they say; how fast is not asked here."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.events import write_export
from sandbox.amplitude.export_api import EXPORT_DIR

REPOSITORY = Path(__file__).parents[1]


def lines(folder: Path) -> list[dict]:
    return [
        json.loads(line)
        for path in sorted(folder.glob("*/*.json.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]


def test_the_generator_writes_rows_as_they_are_exported(tmp_path):
    write_export(tmp_path / "a", 3000, days=2)
    write_export(tmp_path / "b", 3000, days=2)
    rows, real = lines(tmp_path / "a"), lines(EXPORT_DIR)
    assert rows == lines(tmp_path / "b")
    assert len(rows) == 3000
    assert {frozenset(row) for row in rows} == {frozenset(row) for row in real}
    assert len({row["uuid"] for row in rows}) == 3000
    assert 1 < 3000 - len({row["$insert_id"] for row in rows}) < 60
    for path in (tmp_path / "a").glob("*/*"):
        day, hour = path.name.split("#")[0].rsplit("_", 2)[1:]
        for line in gzip.decompress(path.read_bytes()).splitlines():
            uploaded = json.loads(line)["server_upload_time"]
            assert uploaded.startswith(f"{day} {int(hour):02}:")


def test_every_way_of_the_ingest_benchmark_runs():
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest", "--events", "2000", "--rounds=1"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    table, _, shares = run.stdout.partition("\n\n")
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert len(rows) == 11
    assert shares.count("starting") == 2
    firsts = [row for row in rows if row[4] == "1.00"]
    assert [row[2] for row in firsts] == ["plain", "plain", "download"]
