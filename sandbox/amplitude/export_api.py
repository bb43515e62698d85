"""A local server that behaves towards a client like Amplitude's Export API.

`GET /api/2/export?start=YYYYMMDDTHH&end=YYYYMMDDTHH` with HTTP Basic credentials
answers with one streamed zip of the files of those upload hours, both inclusive.
Facts: https://amplitude.com/docs/apis/analytics/export; the texts of 403 and 404 are
reported from live answers, the other texts are our own.

What goes wrong in reality is switched on with `Faults`: from Python, or from another
process with `POST /faults` (a JSON list of rules that replaces the rules in force;
`[]` ends them all). `GET /requests` lists what was answered so far.

    python -m sandbox.amplitude.export_api -- make ingest
"""

import argparse
import base64
import contextlib
import gzip
import io
import json
import math
import re
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.amplitude.faults import (
    CUT_FAULTS,
    MEMBER_FAULTS,
    STATUS_FAULTS,
    Fault,
    Faults,
    parse_hour,
)
from sandbox.run import run, split_command

EXPORT_DIR = Path(__file__).parent / "export"
EXPORT_PATH = "/api/2/export"
API_KEY = "sandbox-api-key"
SECRET_KEY = "sandbox-secret-key"

MAX_HOURS = 365 * 24
MAX_BYTES = 4 * 10**9
# Documented for Amplitude's REST APIs; the Export API's page names no limit.
MAX_REQUESTS_AT_ONCE = 5
CHUNK_BYTES = 64 * 1024

FILE_NAME = re.compile(
    r"(?P<project>\d+)_(?P<date>\d{4}-\d\d-\d\d)_(?P<hour>\d\d?)#(?P<part>\d+)"
    r"\.json\.gz"
)

TEXTS = {
    400: "The request is malformed or its answer is too large.",
    401: "Credentials are missing.",
    403: "Invalid API Key",
    404: "Raw data files were not found.",
    429: "Too many requests.",
    500: "Internal server error.",
    503: "Service unavailable.",
    504: "Gateway time-out.",
}


@dataclass(frozen=True)
class Project:
    """A key pair and the project it opens (None: every file of the directory)."""

    api_key: str = API_KEY
    secret_key: str = SECRET_KEY
    project_id: str | None = None


@dataclass(frozen=True)
class Request:
    """An export request as it was written, and the status of its answer."""

    start: str
    end: str
    status: int


@dataclass(frozen=True, order=True)
class ExportFile:
    """A file of the export: one member of an answer."""

    hour: datetime
    part: int
    member: str
    path: Path = field(compare=False)


@dataclass(frozen=True)
class ExportApi:
    """A running server, as tests and commands see it.

    `headers` go out with every answer, in place of the server's own of the same name,
    such as `Date`; None leaves one out.
    """

    url: str
    project: Project
    faults: Faults
    requests: list[Request]
    headers: dict[str, str | None]

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which a client reads from this server."""
        return {
            "AMP_EXPORT_URL": self.url,
            "AMP_API_KEY": self.project.api_key,
            "AMP_SECRET_KEY": self.project.secret_key,
        }


def find_files(export_dir: Path, project_id: str | None = None) -> list[ExportFile]:
    """Return the directory's export files, in folders or flat, in order of hours."""
    files = []
    for path in [*export_dir.glob("*.json.gz"), *export_dir.glob("*/*.json.gz")]:
        match = FILE_NAME.fullmatch(path.name)
        if match and project_id in (None, match["project"]):
            day = datetime.fromisoformat(match["date"])
            hour = day + timedelta(hours=int(match["hour"]))
            member = f"{match['project']}/{path.name}"
            files.append(ExportFile(hour, int(match["part"]), member, path))
    return sorted(files)


class _Refused(Exception):
    """The request is answered with a status other than 200."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.headers = headers or {}


class _Link:
    """The line to all clients together: it takes so many bytes a second."""

    def __init__(self, bytes_per_second: float) -> None:
        self._seconds_per_byte = 1 / bytes_per_second
        self._free_at = 0.0
        self._lock = threading.Lock()

    def carry(self, size: int) -> None:
        """Return when so many bytes have passed."""
        with self._lock:
            now = time.monotonic()
            # What a late sender left unused a moment ago may be used now.
            begins = max(self._free_at, now - 0.1)
            self._free_at = begins + size * self._seconds_per_byte
            wait = self._free_at - now
        time.sleep(max(0, wait))


class _Body(io.RawIOBase):
    """The body of an answer: sends what is written in HTTP chunks of 64 KiB or more.

    A cut body is `full` after so many bytes; it accepts more and discards them.
    """

    def __init__(
        self,
        out: io.BufferedIOBase,
        link: _Link,
        cut_after: int | None,
        chunk_seconds: float,
    ) -> None:
        self._out = out
        self._link = link
        self._buffer = bytearray()
        self._left = cut_after
        self._chunk_seconds = chunk_seconds

    @property
    def full(self) -> bool:
        return self._left == 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._buffer += data[: self._left]
        if self._left is not None:
            self._left = max(0, self._left - len(data))
        if len(self._buffer) >= CHUNK_BYTES:
            self.send()
        return len(data)

    def send(self) -> None:
        """Send what is in the buffer as one chunk."""
        if self._buffer:
            time.sleep(self._chunk_seconds)
            self._link.carry(len(self._buffer))
            self._out.write(b"%x\r\n%b\r\n" % (len(self._buffer), self._buffer))
            self._buffer.clear()


def _write_zip(
    body: _Body, files: Sequence[ExportFile], stored: bool, fault: Fault | None
) -> None:
    """Write the archive, piece by piece; the fault hits the first member it touches."""
    method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(body, "w") as archive:
        for file in files:
            hit = fault if fault and fault.touches([file.hour]) else None
            fault = None if hit else fault
            info = zipfile.ZipInfo(file.member, file.hour.timetuple()[:6])
            info.compress_type = method
            info.file_size = file.path.stat().st_size  # zip64 where it is needed
            with archive.open(info, "w") as member:
                for piece in _pieces(file.path, hit):
                    member.write(piece)
                    if body.full:
                        return
                if hit and hit.kind == "bad_crc":
                    # zipfile has no public way to write a wrong CRC.
                    member._crc ^= 1  # type: ignore[attr-defined]


def _pieces(path: Path, fault: Fault | None) -> Iterator[bytes]:
    if fault and fault.kind == "bad_line":
        yield from _with_bad_line(path, fault.line)
        return
    with path.open("rb") as source:
        if fault and fault.kind == "bad_gzip":
            before = source.read(path.stat().st_size // 2)
            yield before + bytes([source.read(1)[0] ^ 0xFF])
        while piece := source.read(CHUNK_BYTES):
            yield piece


def _with_bad_line(path: Path, line: str) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=31)  # 31: with gzip's header and trailer
    with gzip.open(path) as rows:
        yield compressor.compress(rows.readline() + line.encode() + b"\n")
        while piece := rows.read(CHUNK_BYTES):
            yield compressor.compress(piece)
    yield compressor.flush()


@dataclass(frozen=True)
class _Settings:
    export_dir: Path
    projects: Sequence[Project]
    stored: bool
    max_bytes: int
    link: _Link
    faults: Faults = field(default_factory=Faults)
    requests: list[Request] = field(default_factory=list)
    headers: dict[str, str | None] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, port: int, settings: _Settings) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.settings = settings
        self.slots = {
            project: threading.Semaphore(MAX_REQUESTS_AT_ONCE)
            for project in settings.projects
        }


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def log_message(self, *_: Any) -> None:
        """Stay silent: `GET /requests` has the list."""

    def handle(self) -> None:
        """Answer until the client leaves, which it may do at any byte."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == EXPORT_PATH:
            query = parse_qs(url.query)
            self._export(*(query.get(name, [""])[0] for name in ("start", "end")))
        elif url.path == "/requests":
            requests = [asdict(request) for request in self.server.settings.requests]
            self._send_text(200, json.dumps(requests))
        else:
            self._send_text(404, "Not found.")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/faults":
            self._send_text(404, "Not found.")
            return
        try:
            rules = [Fault(**rule) for rule in json.loads(body)]
        except (TypeError, ValueError) as error:
            self._send_text(400, str(error))
            return
        self.server.settings.faults.replace(rules)
        self._send_text(200, "")

    def _export(self, start: str, end: str) -> None:
        settings = self.server.settings
        try:
            project = self._project()
            hours = _hours(start, end)
            with self._slot(project):
                slow = settings.faults.take({"slow"}, hours)
                time.sleep(slow.seconds if slow else 0)
                self._raise_status_fault(hours)
                files = self._files(project, hours)
                cut = settings.faults.take(CUT_FAULTS, hours)
                fault = settings.faults.take(MEMBER_FAULTS, [f.hour for f in files])
                settings.requests.append(Request(start, end, 200))
                self._send_head(200, {"Transfer-Encoding": "chunked"})
                body = _Body(
                    self.wfile,
                    settings.link,
                    cut.after_bytes if cut else None,
                    slow.chunk_seconds if slow else 0,
                )
                _write_zip(body, files, settings.stored, fault)
                body.send()
            # The slot is free before the client can know that the answer has ended.
            if cut and cut.kind == "drop":
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")
        except _Refused as refused:
            settings.requests.append(Request(start, end, refused.status))
            self._send_text(refused.status, TEXTS[refused.status], refused.headers)

    def _project(self) -> Project:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise _Refused(401, {"WWW-Authenticate": 'Basic realm="export"'})
        for project in self.server.settings.projects:
            keys = f"{project.api_key}:{project.secret_key}".encode()
            if token.strip() == base64.b64encode(keys).decode():
                return project
        raise _Refused(403)

    @contextlib.contextmanager
    def _slot(self, project: Project) -> Iterator[None]:
        slot = self.server.slots[project]
        if not slot.acquire(blocking=False):
            raise _Refused(429)
        try:
            yield
        finally:
            slot.release()

    def _raise_status_fault(self, hours: Sequence[datetime]) -> None:
        fault = self.server.settings.faults.take(STATUS_FAULTS, hours)
        if fault is None:
            return
        headers = {}
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        raise _Refused(400 if fault.kind == "too_large" else int(fault.kind), headers)

    def _files(self, project: Project, hours: Sequence[datetime]) -> list[ExportFile]:
        settings = self.server.settings
        found = find_files(settings.export_dir, project.project_id)
        files = [file for file in found if hours[0] <= file.hour <= hours[-1]]
        if not files:
            raise _Refused(404)
        if sum(file.path.stat().st_size for file in files) > settings.max_bytes:
            raise _Refused(400)
        return files

    def _send_text(
        self, status: int, text: str, headers: Mapping[str, str] | None = None
    ) -> None:
        body = text.encode()
        self._send_head(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def _send_head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        headers = {"Date": self.date_time_string(), **headers}
        for name, value in (headers | self.server.settings.headers).items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()


def _hours(start: str, end: str) -> list[datetime]:
    """Return every hour from start to end, both inclusive, or refuse with 400."""
    try:
        first, last = parse_hour(start), parse_hour(end)
    except ValueError:
        raise _Refused(400) from None
    count = (last - first) // timedelta(hours=1) + 1
    if not 1 <= count <= MAX_HOURS:
        raise _Refused(400)
    return [first + timedelta(hours=number) for number in range(count)]


@contextlib.contextmanager
def serve(
    export_dir: Path = EXPORT_DIR,
    *,
    projects: Sequence[Project] = (Project(),),
    port: int = 0,
    stored: bool = False,
    max_bytes: int = MAX_BYTES,
    bytes_per_second: float = math.inf,
) -> Iterator[ExportApi]:
    """Serve a directory of export files on the loopback interface.

    `port` 0 takes a free one, `stored` leaves the zip's members uncompressed with
    their sizes behind them, and an answer whose files hold more than `max_bytes` is
    refused with 400. All answers together carry at most `bytes_per_second`. Files
    added later are served too. `ExportApi.environment` has
    the keys of the first project. Raises OSError if the port is taken.
    """
    settings = _Settings(
        export_dir, projects, stored, max_bytes, _Link(bytes_per_second)
    )
    with _Server(port, settings) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}{EXPORT_PATH}"
            yield ExportApi(
                url, projects[0], settings.faults, settings.requests, settings.headers
            )
        finally:
            server.shutdown()
            thread.join()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve for the time of a command, or until Ctrl-C; return the exit code."""
    options, command = split_command(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.amplitude.export_api",
        usage="%(prog)s [options] [-- COMMAND ...]",
        description="Serve export files as Amplitude's Export API does.",
    )
    parser.add_argument("--export", type=Path, default=EXPORT_DIR, metavar="DIR")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--secret-key", default=SECRET_KEY)
    parser.add_argument("--stored", action="store_true", help="do not deflate the zip")
    parser.add_argument("--bytes-per-second", type=float, default=math.inf)
    asked = parser.parse_args(options)
    if not asked.export.is_dir():
        parser.error(f"{asked.export} is not a directory")
    project = Project(asked.api_key, asked.secret_key)
    try:
        with serve(
            asked.export,
            projects=[project],
            port=asked.port,
            stored=asked.stored,
            bytes_per_second=asked.bytes_per_second,
        ) as api:
            return run(api.environment, command)
    except OSError as error:
        parser.error(f"cannot listen on port {asked.port}: {error.strerror}")


if __name__ == "__main__":
    sys.exit(main())
