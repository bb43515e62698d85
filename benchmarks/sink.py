"""An S3 that keeps nothing: what a client costs, without what a store costs.

python -m benchmarks.sink -- COMMAND
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from sandbox.run import run, split_command

PIECE = 1 << 20

EMPTY_LIST = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
BEGUN = (
    "<InitiateMultipartUploadResult><UploadId>1</UploadId>"
    "</InitiateMultipartUploadResult>"
)
COMPLETED = "<CompleteMultipartUploadResult/>"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._send(EMPTY_LIST)

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read1(min(PIECE, left)))
        self._send("")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        self._send(BEGUN if "uploads" in query else COMPLETED)

    def _send(self, body: str) -> None:
        self.send_response(200)
        self.send_header("ETag", '"none"')
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@contextmanager
def sink() -> Iterator[dict[str, str]]:
    """Run one on the loopback interface; yields the settings that lead to it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_BUCKET": "sink",
        }
        server.shutdown()


if __name__ == "__main__":
    with sink() as environment:
        sys.exit(run(environment, split_command(sys.argv[1:])[1]))
