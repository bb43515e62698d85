"""A log file for each run, short messages on the terminal, and no secret in either."""

import contextlib
import logging
from datetime import datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import IO

from tqdm import tqdm

FOLDER = Path("logs")


def start(started: datetime, secrets: list[str], keep_days: int) -> Path:
    """Log to `logs/logs_<time>.log` and to stderr. Returns the file's path.

    Logs that are older than `keep_days` are removed; 0 keeps all. Raises OSError if the
    file cannot be written.
    """
    FOLDER.mkdir(exist_ok=True)
    if keep_days:
        _remove_older_than(started - timedelta(days=keep_days))
    path = FOLDER / f"logs_{started:%Y-%m-%d_%H-%M-%S}.log"
    to_file = logging.FileHandler(path, encoding="utf-8")
    to_file.setFormatter(
        _Redacting("%(asctime)s %(levelname)s %(message)s", secrets=secrets)
    )
    to_terminal = logging.StreamHandler()
    to_terminal.setLevel(logging.INFO)
    to_terminal.setFormatter(_Redacting("%(message)s", secrets=secrets))
    logging.basicConfig(level=logging.INFO, handlers=[to_file, to_terminal], force=True)
    logging.getLogger("ingest").setLevel(logging.DEBUG)
    # botocore logs where it found credentials, which must not be kept.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    return path


def _remove_older_than(oldest: datetime) -> None:
    for path in FOLDER.glob("logs_????-??-??_??-??-??.log"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < oldest.timestamp():
                path.unlink()


def redact(text: str, secrets: list[str]) -> str:
    """The text, with `***` in place of every secret."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


class Bar(tqdm):  # type: ignore[type-arg]
    """A progress bar; messages are written above it.

    tqdm takes two locks for a message, one after the other. Ctrl-C between them was
    swallowed and one of them kept: a run that neither ended nor went on.
    """

    @classmethod
    def write(  # type: ignore[override]
        cls, s: str, file: IO[str] | None = None, end: str = "\n", nolock: bool = False
    ) -> None:
        with cls.get_lock():  # type: ignore[no-untyped-call]
            super().write(s, file=file, end=end, nolock=True)


Bar.set_lock(RLock())


class _Redacting(logging.Formatter):
    def __init__(self, form: str, *, secrets: list[str]) -> None:
        super().__init__(form)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), self._secrets)
