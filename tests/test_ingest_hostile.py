"""The ingest against answers that do not end, wrong proxies and other people's eyes."""

import gzip
import io
import os
import resource
import socket
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from test_ingest import DAY, ledger, statuses

from sandbox.amplitude.export_api import serve

HOUR = ("--start", "2026-01-14T00", "--end", "2026-01-14T00")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n"


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that answers each connection as told, byte by byte if need be."""

    def talk(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            with suppress(OSError):
                answer(connection)

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            Thread(target=talk, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/2/export"
        listener.shutdown(socket.SHUT_RDWR)


def trickle(begin: bytes, byte: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(byte)
            time.sleep(0.2)

    return answer


TRICKLES = {
    "of known length": trickle(HEAD + b"Content-Length: 100000\r\n\r\n", b"P"),
    "without a length": trickle(HEAD + b"\r\n", b"P"),
    "inside a chunk": trickle(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n", b"P"
    ),
    "in a chunk's length": trickle(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"
    ),
    "in the headers": trickle(HEAD + b"X-More: ", b"x"),
    "in the status line": trickle(b"HTTP/1.1 200 ", b"x"),
    "in a refusal": trickle(
        b"HTTP/1.1 500 Error\r\nContent-Length: 4096\r\n\r\n", b"x"
    ),
}


@pytest.mark.parametrize("kind", TRICKLES)
def test_an_answer_that_trickles_ends_in_time(ingest, landing, kind):
    with raw_server(TRICKLES[kind]) as url:
        began = time.monotonic()
        run = ingest(*HOUR, AMP_EXPORT_URL=url, AMP_ANSWER_SECONDS="2")
    assert time.monotonic() - began < 40
    assert run.returncode == 1, run.stderr
    assert "no end after 2 s" in run.stderr
    assert not any(line["is_settled"] for line in ledger(landing).values())


def member(name: bytes, content: bytes) -> bytes:
    """A stored member, without what comes behind it."""
    crc = zlib.crc32(content)
    size = len(content)
    head = (20, 0, 0, 0, 0, crc, size, size, len(name), 0)
    return b"PK\x03\x04" + struct.pack("<5H3I2H", *head) + name + content


def test_an_archive_of_endless_members_ends(ingest, landing):
    """Of folders, which cost no landing; they count as all members do."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n")
        folders = member(b"5/", b"") * 1000
        while True:
            connection.sendall(folders)

    with raw_server(answer) as url:
        run = ingest(*HOUR, AMP_EXPORT_URL=url)
    assert run.returncode == 1, run.stderr
    assert "more than 100,000 members" in run.stderr
    assert not any(line["is_settled"] for line in ledger(landing).values())


def test_many_small_members_take_time_in_proportion(ingest, tmp_path):
    source = tmp_path / "export" / "5"
    source.mkdir(parents=True)
    content = gzip.compress(b'{"uuid": "1"}\n')
    seconds = {}
    for hour, count in ((0, 1), (1, 500), (2, 4000)):
        for part in range(count):
            path = source / f"5_2026-01-14_{hour}#{part}.json.gz"
            path.write_bytes(content)
        asked = f"2026-01-14T{hour:02}"
        with serve(tmp_path / "export") as api:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run = ingest("--start", asked, "--end", asked, **api.environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run.returncode == 0, run.stderr
        seconds[count] = after.ru_utime - before.ru_utime
    few, many = seconds[500] - seconds[1], seconds[4000] - seconds[1]
    # Eight times as many; what is quadratic takes 64 times as long.
    assert many < 20 * max(few, 0.1)


NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"HTTPS_PROXY": NOBODY}, 4, "(through the proxy of HTTPS_PROXY)"),
        ({"https_proxy": NOBODY}, 4, "(through the proxy of https_proxy)"),
        ({"ALL_PROXY": NOBODY}, 4, "(through the proxy of ALL_PROXY)"),
        ({"HTTPS_PROXY": "http://jane:hunter2@127.0.0.1:9"}, 4, "of HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://"}, 2, "HTTPS_PROXY is not the address of a proxy"),
        ({"HTTPS_PROXY": "http://:hunter2@"}, 2, "HTTPS_PROXY is not the address"),
        ({"HTTPS_PROXY": "http://proxy:port"}, 2, "HTTPS_PROXY is not the address"),
        ({"HTTPS_PROXY": "http://[proxy"}, 2, "HTTPS_PROXY is not the address"),
        ({"HTTPS_PROXY": "ftp://proxy:21"}, 2, "HTTPS_PROXY is not the address"),
        ({"ALL_PROXY": "socks5://proxy:1080"}, 2, "ALL_PROXY is a SOCKS proxy"),
        ({"REQUESTS_CA_BUNDLE": "/no/such.pem"}, 2, "REQUESTS_CA_BUNDLE: /no/such.pem"),
        ({"CURL_CA_BUNDLE": "/no/such.pem"}, 2, "CURL_CA_BUNDLE: /no/such.pem does"),
        ({"AWS_CA_BUNDLE": "/no/such.pem"}, 2, "AWS_CA_BUNDLE: /no/such.pem does not"),
        ({"REQUESTS_CA_BUNDLE": "/dev/null"}, 2, "holds no certificates (PEM)"),
    ],
    ids=lambda value: next(iter(value.items()))[1] if isinstance(value, dict) else "",
)
def test_a_wrong_setting_of_the_network_is_named(ingest, settings, code, says):
    url = "https://example.invalid/api/2/export"
    run = ingest(*HOUR, AMP_EXPORT_URL=url, **settings)
    assert run.returncode == code, run.stderr
    assert says in run.stderr
    assert "hunter2" not in run.stderr
    assert "Traceback" not in run.stderr


def refuse_tunnel(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")


def test_a_proxy_that_wants_a_password_is_named(ingest):
    with raw_server(refuse_tunnel) as url:
        proxy = url.removesuffix("/api/2/export")
        secure = "https://example.invalid/api/2/export"
        run = ingest(*HOUR, AMP_EXPORT_URL=secure, HTTPS_PROXY=proxy)
        assert run.returncode == 4, run.stderr
        assert "407" in run.stderr
        assert "(through the proxy of HTTPS_PROXY)" in run.stderr
        run = ingest(*HOUR, HTTP_PROXY=proxy, NO_PROXY="")
        assert run.returncode == 4, run.stderr
        assert (
            "returned 407, which the Export API never does: check AMP_EXPORT_URL and"
            in (run.stderr)
        )
        assert "HTTP_PROXY" in run.stderr


@pytest.mark.parametrize(
    "name",
    [
        f"5/5_2026-01-14_0#{'9' * 5000}.json.gz",
        f"{'5' * 5000}_2026-01-14_0#0.json.gz",
        f"5/5_2026-01-14_0#0.json.gz{'x' * 50_000}",
    ],
    ids=["part", "project", "end"],
)
def test_a_name_that_is_too_long_makes_the_archive_a_damaged_one(ingest, landing, name):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, gzip.compress(b'{"uuid": "1"}\n'))

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n" + archive.getvalue())

    with raw_server(answer) as url:
        run = ingest(*HOUR, AMP_EXPORT_URL=url)
    assert run.returncode == 1, run.stderr
    assert "unexpected member: " in run.stderr
    assert max(map(len, run.stderr.splitlines())) < 500
    assert not ledger(landing)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"n": ' + b"9" * 5000 + b"}", 0),
        (b'{"n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 1),
    ],
    ids=["long number", "deep"],
)
def test_validation_takes_any_json_that_can_be_loaded(
    ingest, landing, tmp_path, line, code
):
    path = tmp_path / "export" / "5" / "5_2026-01-14_0#0.json.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(line + b"\n"))
    with serve(tmp_path / "export") as api:
        run = ingest(*HOUR, "--validate", **api.environment)
    assert run.returncode == code, run.stderr
    assert statuses(landing) == ({} if code else {"landed": 1})


def test_what_a_run_writes_is_for_its_user_alone(ingest, landing, tmp_path):
    assert ingest(*DAY).returncode == 0
    written = [*landing.rglob("*"), landing, *(tmp_path / "logs").rglob("*")]
    assert len(written) > 30
    for path in written:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_old_logs_are_removed(ingest, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    old, recent, other = (
        logs / name
        for name in (
            "logs_2026-01-01_00-00-00.log",
            "logs_2026-01-02_00-00-00.log",
            "dbt.log",
        )
    )

    def age(path: Path, days: float) -> None:
        path.touch()
        then = time.time() - days * 86400
        os.utime(path, (then, then))

    def left(**settings: str) -> set[Path]:
        age(old, 31)
        age(recent, 29)
        age(other, 100)
        assert ingest("--dry-run", *DAY, **settings).returncode == 0
        return {old, recent, other} & set(logs.iterdir())

    assert left() == {recent, other}
    assert left(AMP_LOG_DAYS="0") == {old, recent, other}
    assert left(AMP_LOG_DAYS="5") == {other}
    for wrong in ("-1", "some", "1.5", "9" * 5000):
        assert ingest("--dry-run", *DAY, AMP_LOG_DAYS=wrong).returncode == 2
