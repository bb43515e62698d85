"""The local Export API, as a plain HTTP client sees it."""

import gzip
import io
import json
import os
import subprocess
import sys
import threading
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from sandbox.amplitude.export_api import EXPORT_DIR, ExportApi, Project, serve

ROOT = Path(__file__).parents[1]
HOUR = "20260112T10"  # two files
NEXT_HOUR = "20260112T11"  # one file
EMPTY_HOUR = "20260114T03"


@pytest.fixture
def api() -> Iterator[ExportApi]:
    with serve() as running:
        yield running


def get(
    api: ExportApi, start: str = HOUR, end: str | None = None, **options: Any
) -> requests.Response:
    options.setdefault("auth", (api.project.api_key, api.project.secret_key))
    params = {"start": start, "end": end or start}
    return requests.get(api.url, params=params, timeout=10, **options)


def unzip(response: requests.Response) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_file(directory: Path, name: str, rows: str = '{"a": 1}\n') -> None:
    directory.mkdir(exist_ok=True)
    (directory / name).write_bytes(gzip.compress(rows.encode()))


def test_an_hour_holds_its_files_as_they_are(api):
    response = get(api)
    assert response.status_code == 200
    assert "Content-Length" not in response.headers
    names = [f"100500123/100500123_2026-01-12_10#{part}.json.gz" for part in (0, 1)]
    assert unzip(response) == {n: (EXPORT_DIR / n).read_bytes() for n in names}


def test_both_ends_of_the_range_are_included_and_hours_are_not_padded(api):
    names = [name.split("_", 1)[1] for name in unzip(get(api, "20260112T07", HOUR))]
    assert [name[:-8] for name in names] == [
        "2026-01-12_7#0",
        "2026-01-12_8#0",
        "2026-01-12_8#1",
        "2026-01-12_9#0",
        "2026-01-12_10#0",
        "2026-01-12_10#1",
    ]


def test_the_whole_export_holds_every_row_of_the_truth(api):
    truth = json.loads((ROOT / "tests/models/truth/truth.json").read_text())
    rows = {
        Path(name).name: gzip.decompress(content).count(b"\n")
        for name, content in unzip(get(api, "20260112T00", "20260118T23")).items()
    }
    assert rows == truth["files"]["rows_per_file"]


@pytest.mark.parametrize("stored", [False, True])
def test_the_zip_is_written_without_seeking(stored):
    with (
        serve(stored=stored) as api,
        zipfile.ZipFile(io.BytesIO(get(api).content)) as archive,
    ):
        expected = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        for info in archive.infolist():
            assert info.compress_type == expected
            assert info.flag_bits & 0x08  # sizes and CRC follow the data
        assert archive.testzip() is None


def test_hours_without_files_are_404(api):
    response = get(api, EMPTY_HOUR)
    assert (response.status_code, response.text) == (
        404,
        "Raw data files were not found.",
    )


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"start": HOUR},
        {"start": "2026-01-12T10", "end": HOUR},
        {"start": "20260112T24", "end": "20260112T24"},
        {"start": "20260112", "end": "20260112"},
        {"start": NEXT_HOUR, "end": HOUR},
        {"start": "20250112T00", "end": "20260112T00"},
    ],
)
def test_malformed_ranges_are_400(api, params):
    keys = (api.project.api_key, api.project.secret_key)
    response = requests.get(api.url, params=params, auth=keys, timeout=10)
    assert response.status_code == 400


def test_365_days_are_answered(api):
    assert get(api, "20250113T11", HOUR).status_code == 200


def test_an_answer_above_the_limit_is_400():
    with serve(max_bytes=15_000) as api:
        assert get(api, "20260112T00", "20260112T23").status_code == 400
        assert get(api, "20260112T05").status_code == 200


def test_credentials_are_checked(api):
    assert get(api, auth=None).status_code == 401
    for keys in ("x", "sandbox-secret-key"), ("sandbox-api-key", "x"):
        response = get(api, auth=keys)
        assert (response.status_code, response.text) == (403, "Invalid API Key")


def test_each_project_opens_its_own_files(tmp_path):
    write_file(tmp_path / "1", "1_2026-01-12_10#0.json.gz")
    write_file(tmp_path, "22_2026-01-12_10#0.json.gz")
    projects = [Project("a", "b", "1"), Project("c", "d", "22")]
    with serve(tmp_path, projects=projects) as api:
        assert list(unzip(get(api))) == ["1/1_2026-01-12_10#0.json.gz"]
        assert list(unzip(get(api, auth=("c", "d")))) == [
            "22/22_2026-01-12_10#0.json.gz"
        ]
        assert get(api, auth=("a", "d")).status_code == 403


def test_a_connection_serves_one_request_after_the_other(api):
    with requests.Session() as session:
        session.auth = (api.project.api_key, api.project.secret_key)
        for hour, status in (HOUR, 200), (EMPTY_HOUR, 404), (NEXT_HOUR, 200):
            params = {"start": hour, "end": hour}
            response = session.get(api.url, params=params, timeout=10)
            assert response.status_code == status
    assert [(r.start, r.status) for r in api.requests] == [
        (HOUR, 200),
        (EMPTY_HOUR, 404),
        (NEXT_HOUR, 200),
    ]


def test_the_first_bytes_arrive_before_the_last_file_was_read(tmp_path):
    name = "1_2026-01-12_10#{}.json.gz"
    (tmp_path / name.format(0)).write_bytes(os.urandom(300_000))
    # A pipe cannot be read before something is written to it.
    last = tmp_path / name.format(1)
    os.mkfifo(last)
    with serve(tmp_path) as api, get(api, stream=True) as response:
        assert response.raw.read(200_000).startswith(b"PK\x03\x04")
        last.write_bytes(b"the last file")
        assert last.name.encode() in response.raw.read()


def test_memory_stays_flat(tmp_path):
    with (tmp_path / "1_2026-01-12_10#0.json.gz").open("wb") as file:
        file.truncate(64_000_000)
    with serve(tmp_path, stored=True) as api, get(api, stream=True) as response:
        tracemalloc.start()
        size = sum(len(piece) for piece in response.iter_content(64 * 1024))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert size > 64_000_000
    assert peak < 8_000_000


def test_a_client_may_leave_at_any_byte(api, capfd):
    with get(api, "20260112T00", "20260118T23", stream=True) as response:
        response.raw.read(10)
    assert get(api).status_code == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_sixth_request_at_once_is_429(api):
    api.faults.add("slow", seconds=1, times=5)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: get(api).status_code, range(6)))
    assert sorted(answers) == [200] * 5 + [429]


@pytest.mark.parametrize("kind", ["429", "500", "503", "504"])
def test_a_status_comes_as_often_as_asked_for_and_only_for_its_hours(api, kind):
    api.faults.add(kind, hours={HOUR}, times=2, retry_after=7)
    assert get(api, NEXT_HOUR).status_code == 200
    response = get(api, "20260112T09", NEXT_HOUR)
    assert response.status_code == int(kind)
    assert response.headers["Retry-After"] == "7"
    assert get(api).status_code == int(kind)
    assert get(api).status_code == 200


def test_too_large_depends_on_the_length_of_the_range_or_on_an_hour(api):
    api.faults.add("too_large", longer_than=2, times=None)
    api.faults.add("too_large", hours={"20260112T20"}, times=None)
    assert get(api, "20260112T09", NEXT_HOUR).status_code == 400
    assert get(api, HOUR, NEXT_HOUR).status_code == 200
    assert get(api, "20260112T20").status_code == 400
    assert get(api, "20260112T20").status_code == 400


def test_drop_breaks_the_connection(api):
    api.faults.add("drop", after_bytes=5000)
    with get(api, stream=True) as response:
        assert response.status_code == 200
        received = bytearray()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            for piece in response.iter_content(100):
                received += piece
    assert len(received) == 5000
    assert len(unzip(get(api))) == 2


def test_truncate_ends_well_with_half_a_zip(api):
    api.faults.add("truncate", after_bytes=5000)
    response = get(api)
    assert (response.status_code, len(response.content)) == (200, 5000)
    with pytest.raises(zipfile.BadZipFile):
        unzip(response)


def test_bad_crc_is_one_member_with_sound_content(api):
    bad, good = (f"100500123/100500123_2026-01-12_10#{n}.json.gz" for n in (0, 1))
    api.faults.add("bad_crc", hours={HOUR})
    content = get(api, "20260112T09", HOUR).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() == bad
        assert archive.read(good) == (EXPORT_DIR / good).read_bytes()
        crc = archive.getinfo(bad).CRC
    assert crc != zlib.crc32((EXPORT_DIR / bad).read_bytes())
    # A client that streams sees only the descriptor behind the data.
    assert b"PK\x07\x08" + crc.to_bytes(4, "little") in content


def test_bad_gzip_has_a_sound_crc_in_the_zip(api):
    api.faults.add("bad_gzip")
    first, second = unzip(get(api)).values()
    with pytest.raises((OSError, EOFError, zlib.error)):
        gzip.decompress(first)
    assert gzip.decompress(second)


def test_bad_line_is_whole_but_not_json(api):
    api.faults.add("bad_line", line='{"event_type": ')
    first, second = unzip(get(api)).values()
    lines = gzip.decompress(first).splitlines()
    assert lines[1] == b'{"event_type": '
    assert all(json.loads(line) for line in [lines[0], *lines[2:]])
    assert all(json.loads(line) for line in gzip.decompress(second).splitlines())


def test_slow_delays_the_first_byte_and_each_chunk(api):
    day = "20260112T00", "20260112T23"
    quick = get(api, *day)
    api.faults.add("slow", seconds=0.3, chunk_seconds=0.05)
    slow = get(api, *day, stream=True)
    assert slow.elapsed.total_seconds() >= 0.3
    assert slow.content == quick.content


def test_faults_of_different_sorts_meet_in_one_request(api):
    api.faults.add("slow", seconds=0.2)
    api.faults.add("504")
    response = get(api)
    assert response.status_code == 504
    assert response.elapsed.total_seconds() >= 0.2


def test_an_unknown_fault_is_refused(api):
    with pytest.raises(ValueError, match="not one of"):
        api.faults.add("418")
    with pytest.raises(ValueError, match="YYYYMMDDTHH"):
        api.faults.add("504", hours={"2026-01-12"})


def test_another_process_sets_faults_and_reads_the_requests(api):
    def post(rules: Any) -> int:
        url = urljoin(api.url, "/faults")
        return requests.post(url, json=rules, timeout=10).status_code

    assert post([{"kind": "503", "hours": [HOUR], "times": None}]) == 200
    assert get(api).status_code == 503
    assert post([{"kind": "418"}]) == 400
    assert post([{"kind": "503", "unknown": 1}]) == 400
    assert get(api).status_code == 503
    assert post([]) == 200
    assert get(api).status_code == 200
    answered = requests.get(urljoin(api.url, "/requests"), timeout=10).json()
    assert answered == [
        {"start": HOUR, "end": HOUR, "status": status} for status in (503, 503, 200)
    ]


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sandbox.amplitude.export_api", *arguments]


def test_a_command_runs_with_the_settings_and_gives_its_exit_code():
    code = (
        "import os, requests, sys;"
        "keys = os.environ['AMP_API_KEY'], os.environ['AMP_SECRET_KEY'];"
        "url = os.environ['AMP_EXPORT_URL'] + '?start=20260114T03&end=20260114T03';"
        "sys.exit(requests.get(url, auth=keys, timeout=10).status_code - 400)"
    )
    command = command_line("--api-key", "k", "--", sys.executable, "-c", code)
    assert subprocess.run(command, cwd=ROOT, timeout=30, check=False).returncode == 4


def test_a_command_that_does_not_exist_is_127():
    command = command_line("--", "no-such-command")
    result = subprocess.run(
        command, cwd=ROOT, timeout=30, check=False, capture_output=True
    )
    assert result.returncode == 127
    assert b"Traceback" not in result.stderr


def test_without_a_command_it_prints_its_settings_and_serves_until_stopped():
    with subprocess.Popen(
        command_line(), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        killer = threading.Timer(20, process.kill)
        killer.start()
        lines = [process.stdout.readline() for _ in range(3)]
        settings = dict(line.split()[1].split("=", 1) for line in lines)
        url = settings["AMP_EXPORT_URL"]
        assert requests.get(url, timeout=10).status_code == 401
        process.terminate()
        assert process.wait(10) == 0
        killer.cancel()
