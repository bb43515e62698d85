"""What goes wrong with the Export API in reality, as rules to switch on."""

import re
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

HOUR_FORMAT = "%Y%m%dT%H"

STATUS_FAULTS = {"429", "500", "503", "504", "too_large"}
CUT_FAULTS = {"drop", "truncate"}
MEMBER_FAULTS = {"bad_crc", "bad_gzip", "bad_line"}
FAULT_KINDS = STATUS_FAULTS | CUT_FAULTS | MEMBER_FAULTS | {"slow"}


def parse_hour(text: str) -> datetime:
    """Return the UTC hour of `YYYYMMDDTHH`; raise ValueError for anything else."""
    if not re.fullmatch(r"\d{8}T\d\d", text, re.ASCII):
        raise ValueError(f"{text!r} is not of the form YYYYMMDDTHH")
    return datetime.strptime(text, HOUR_FORMAT)


@dataclass
class Fault:
    """One rule of what goes wrong.

    | kind | what the client meets |
    |---|---|
    | `429`, `500`, `503`, `504` | that status; `retry_after` (s) adds the header |
    | `too_large` | 400, as for an answer above 4 GB |
    | `drop` | the connection breaks after `after_bytes` of the zip |
    | `truncate` | the zip ends after `after_bytes`, the HTTP answer looks complete |
    | `bad_crc` | a member whose CRC in the zip is wrong |
    | `bad_gzip` | a member whose gzip is damaged and whose CRC in the zip is right |
    | `bad_line` | a member with `line` as its second line |
    | `slow` | `seconds` before the first byte, `chunk_seconds` before each 64 KiB |

    It meets requests of more than `longer_than` hours that touch one of `hours`
    (`YYYYMMDDTHH`; None: any), `times` times (None: always). A member's fault hits the
    first member of those hours. A request meets at most one status, one cut, one
    member's fault and one slowness; earlier rules come first.
    """

    kind: str
    hours: Collection[str] | None = None
    longer_than: int = 0
    times: int | None = 1
    retry_after: int | None = None
    after_bytes: int = 1000
    line: str = "this line is not JSON"
    seconds: float = 1.0
    chunk_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown kind or a malformed hour."""
        if self.kind not in FAULT_KINDS:
            raise ValueError(f"{self.kind!r} is not one of {sorted(FAULT_KINDS)}")
        for hour in self.hours or ():
            parse_hour(hour)

    def touches(self, hours: Iterable[datetime]) -> bool:
        """Tell whether the rule is about one of these hours."""
        return self.hours is None or any(
            hour.strftime(HOUR_FORMAT) in self.hours for hour in hours
        )


class Faults:
    """The rules in force, shared by the server's threads and the tests."""

    def __init__(self) -> None:
        """Start without a rule."""
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, kind: str, **fields: Any) -> None:
        """Add a rule; the fields and errors are those of `Fault`."""
        rule = Fault(kind, **fields)
        with self._lock:
            self._rules.append(rule)

    def replace(self, rules: Iterable[Fault]) -> None:
        """Put these rules in place of all others."""
        with self._lock:
            self._rules = list(rules)

    def take(self, kinds: Collection[str], asked: Sequence[datetime]) -> Fault | None:
        """Use up and return the first rule of these kinds for the hours asked for."""
        with self._lock:
            for rule in self._rules:
                if (
                    rule.kind in kinds
                    and rule.times != 0
                    and len(asked) > rule.longer_than
                    and rule.touches(asked)
                ):
                    if rule.times is not None:
                        rule.times -= 1
                    return rule
        return None
