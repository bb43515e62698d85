"""A limit on the time that an answer may take, whatever it consists of.

A socket's time-out counts from byte to byte, so that a byte now and then holds a reader
for ever: in the headers, inside a chunk, or in a body of known length. Here each read
of the socket takes its time from one allowance for the whole answer. Only waiting for
the server counts, not what is done with the bytes.
"""

import io
import time
from functools import partial
from http.client import HTTPResponse
from socket import socket
from typing import Any

from requests.adapters import HTTPAdapter


class WaitedTooLong(Exception):
    """The answer has used up its time."""


class Allowance:
    """Seconds of waiting that are left to an answer."""

    def __init__(self, seconds: float) -> None:
        self.seconds = self.left = seconds

    def spent(self) -> WaitedTooLong:
        return WaitedTooLong(f"no end after {self.seconds:g} s")


class LimitedAdapter(HTTPAdapter):
    """Sends one request, whose answer may wait no longer than the allowance."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        super().__init__()

    def get_connection_with_tls_context(self, *request: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*request, **options)
        pool.ConnectionCls = partial(_connect, pool.ConnectionCls, self._allowance)
        return pool


def _connect(kind: type, allowance: Allowance, *given: Any, **options: Any) -> Any:
    connection = kind(*given, **options)
    connection.response_class = partial(_LimitedResponse, allowance)
    return connection


class _LimitedResponse(HTTPResponse):
    def __init__(
        self, allowance: Allowance, sock: socket, *given: Any, **options: Any
    ) -> None:
        super().__init__(sock, *given, **options)
        self.fp = io.BufferedReader(_LimitedReader(self.fp.detach(), sock, allowance))


class _LimitedReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket, allowance: Allowance) -> None:
        self._raw, self._socket, self._allowance = raw, sock, allowance

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: Any) -> int | None:
        left, timeout = self._allowance.left, self._socket.gettimeout()
        if left <= 0:
            raise self._allowance.spent()
        is_last = timeout is None or left < timeout
        if is_last:
            self._socket.settimeout(left)
        begun = time.monotonic()
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            if is_last:
                raise self._allowance.spent() from None
            raise
        finally:
            self._allowance.left -= time.monotonic() - begun

    def close(self) -> None:
        self._raw.close()
        super().close()
