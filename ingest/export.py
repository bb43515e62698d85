"""Request a window from Amplitude's Export API, and classify its answer.

https://amplitude.com/docs/apis/analytics/export
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

import requests
from urllib3.exceptions import ReadTimeoutError

from ingest import __version__
from ingest.clock import Clock, Moment, parse_date
from ingest.network import NetworkSettingError, proxy_for
from ingest.settings import Settings, SettingsError
from ingest.waiting import Allowance, LimitedAdapter, WaitedTooLong
from ingest.windows import Window

# A live capture shows this text of a 404 when there is nothing in the window. It is not
# documented, so at the documented path any 404 but a web page counts as one.
NO_DATA = "Raw data files were not found"
EXPORT_PATH = "/api/2/export"

CONNECT_SECONDS = 10
LONGEST_QUOTE = 200
CHUNK = 256 << 10
# Longer than any pause Amplitude documents; a typing error in a header stays bearable.
LONGEST_PAUSE_SECONDS = 900
# Amplitude serves no more than 4 GB at once.
MOST_BYTES = 5_000_000_000


@dataclass(frozen=True)
class Answer:
    """A window's archive as it arrives, and when the answer was made."""

    chunks: Iterator[bytes]
    moment: Moment


class NoData(Exception):
    """404: there was nothing in the window at the `moment`."""

    def __init__(self, reason: str, moment: Moment) -> None:
        super().__init__(reason)
        self.moment = moment


class WindowTooLarge(Exception):
    """400, 504 or a time-out: the window is more than the API serves at once.

    `is_transient`: the same window could be served another time.
    """

    def __init__(self, reason: str, *, is_transient: bool = True) -> None:
        super().__init__(reason)
        self.is_transient = is_transient


class Refused(Exception):
    """401 or 403: the keys are not accepted."""


class Unreachable(Exception):
    """No connection to the API."""


class NotAnExportApi(Exception):
    """Another server answered: a sign-in page, a redirect, a wrong path."""


class Interrupted(Exception):
    """The run was stopped."""


class Outage(Exception):
    """The API is unusable at the moment: the run ends, the other hours stay open."""


class Busy(Exception):
    """A transient error: 429, another 5xx or a lost connection.

    `is_throttled` means a 429; `retry_after` is the number of seconds the API asks to
    wait, or None.
    """

    def __init__(
        self,
        reason: str,
        *,
        is_throttled: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.is_throttled = is_throttled
        self.retry_after = retry_after


class ExportClient:
    """The Export API of one project."""

    def __init__(
        self, settings: Settings, is_stopped: Callable[[], bool], clock: Clock
    ) -> None:
        """`is_stopped` is asked while an answer arrives: true ends it.

        `clock` hears the time from each answer.
        """
        self._settings = settings
        self._is_stopped = is_stopped
        self._clock = clock
        self._proxy: str | None = None
        self._counting = Lock()
        # Of all answers so far; threads share the client.
        self.received_bytes = 0

    @contextmanager
    def open(self, window: Window) -> Iterator[Answer]:
        """The window's archive, as it arrives.

        Raises NoData, WindowTooLarge, Refused, Unreachable, NotAnExportApi, Busy,
        WrongClock or Interrupted; also from within the `with` block, while the bytes
        are read.
        """
        asked_at = datetime.now(UTC)
        with self._transport_faults(), self._get(window) as answer:
            moment = self._check(answer, asked_at)
            yield Answer(self._chunks(answer), moment)

    def _get(self, window: Window) -> requests.Response:
        session = requests.Session()
        allowance = Allowance(self._settings.answer_seconds)
        for scheme in ("https://", "http://"):
            session.mount(scheme, LimitedAdapter(allowance))
        return session.get(
            self._settings.export_url,
            params={
                "start": f"{window.first:%Y%m%dT%H}",
                "end": f"{window.last:%Y%m%dT%H}",
            },
            auth=(self._settings.api_key, self._settings.secret_key),
            headers={
                "User-Agent": f"amplitude-warehouse/{__version__}",
                "Cache-Control": "no-cache",
            },
            timeout=(CONNECT_SECONDS, self._settings.timeout_seconds),
            # The keys go to the address in the settings and to no other.
            allow_redirects=False,
            stream=True,
        )

    def _check(self, answer: requests.Response, asked_at: datetime) -> Moment:
        """The time of the answer; raises the matching error if it has no archive."""
        status = answer.status_code
        is_html = "html" in answer.headers.get("Content-Type", "").lower()
        if status == 200 and not is_html:
            return self._clock.hear(answer.headers, asked_at)
        body = next(answer.iter_content(4096), b"").decode("utf-8", "replace").strip()
        said = f"{status} {'' if is_html else _printable(body)}".strip()
        if status == 404:
            is_at_path = self._settings.export_url.rstrip("/").endswith(EXPORT_PATH)
            if NO_DATA in body or (is_at_path and not is_html):
                raise NoData(said, self._clock.hear(answer.headers, asked_at))
        if is_html and status in (200, 404):
            raise NotAnExportApi(self._is_no_export_api(f"{status} with a web page"))
        if status in (400, 504):
            self._clock.hear(answer.headers, asked_at)
            raise WindowTooLarge(said, is_transient=status == 504)
        if status in (401, 403):
            region = self._settings.region
            other = "eu" if region == "us" else "us"
            raise Refused(
                f"Amplitude rejects the keys ({said}). Check AMP_API_KEY and"
                f" AMP_SECRET_KEY; they are of one project, and AMP_REGION={region}"
                f" must be where it is kept (try {other})."
            )
        if status == 429 or status >= 500:
            raise Busy(
                said, is_throttled=status == 429, retry_after=_retry_after(answer)
            )
        raise NotAnExportApi(self._is_no_export_api(said))

    def _is_no_export_api(self, said: str) -> str:
        return (
            f"{self._settings.export_url} returned {said}, which the Export API never"
            " does: check AMP_EXPORT_URL and"
            f" {self._proxy or 'what is between here and Amplitude'}"
        )

    def _chunks(self, answer: requests.Response) -> Iterator[bytes]:
        left = MOST_BYTES
        for chunk in answer.iter_content(CHUNK):
            left -= len(chunk)
            with self._counting:
                self.received_bytes += len(chunk)
            if self._is_stopped():
                raise Interrupted
            if left < 0:
                raise WindowTooLarge(f"no end after {MOST_BYTES / 1e9:g} GB")
            yield chunk

    @contextmanager
    def _transport_faults(self) -> Iterator[None]:
        try:
            self._proxy = proxy_for(self._settings.export_url)
            yield
        except NetworkSettingError as error:
            raise SettingsError(str(error)) from error
        except WaitedTooLong as error:
            raise WindowTooLarge(str(error)) from error
        except requests.exceptions.SSLError as error:
            raise self._unreachable(
                f"{_cause(error)}: check this machine's clock, and, if a proxy opens"
                " TLS, set REQUESTS_CA_BUNDLE"
            ) from error
        except (requests.ConnectTimeout, requests.exceptions.ProxyError) as error:
            raise self._unreachable(_cause(error)) from error
        except requests.ReadTimeout as error:
            raise WindowTooLarge("no answer in time") from error
        except requests.ConnectionError as error:
            if error.args and isinstance(error.args[0], ReadTimeoutError):
                raise WindowTooLarge("the answer stopped arriving") from error
            if "NewConnectionError" in repr(error) or "NameResolution" in repr(error):
                raise self._unreachable(_cause(error)) from error
            raise Busy(f"the connection was lost ({_cause(error)})") from error
        except requests.RequestException as error:
            raise Busy("the answer was cut off") from error

    def _unreachable(self, cause: str) -> Unreachable:
        through = f" (through the proxy of {self._proxy})" if self._proxy else ""
        return Unreachable(f"{cause}{through}")


def _printable(text: str) -> str:
    """The first line of what a server said, fit for a terminal and a page."""
    line = "".join(c if c.isprintable() else " " for c in text.partition("\n")[0])
    return line[:LONGEST_QUOTE].replace("<", "‹").replace("`", "'")


def _cause(error: BaseException) -> str:
    """The innermost reason, without the address and its parameters."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _retry_after(answer: requests.Response) -> float | None:
    """RFC 9110, 10.2.3: seconds or a date."""
    text = answer.headers.get("Retry-After", "")
    if text.isdecimal():
        seconds = float(text)
    elif until := parse_date(text):
        # By the clock of the server, which has set the date.
        now = parse_date(answer.headers.get("Date", "")) or datetime.now(UTC)
        seconds = (until - now).total_seconds()
    else:
        return None
    return min(max(seconds, 0), LONGEST_PAUSE_SECONDS)
