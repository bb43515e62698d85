"""The landing as it is: ledger lines, and rows with every field in its type."""

import gzip
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

EPOCH = datetime(1970, 1, 1)
NUMBER_LIMIT = 1e15

# Names of the model's columns, by the exported field.
TEXTS = {
    "uuid": "uuid",
    "insert_id": "$insert_id",
    "amplitude_id": "amplitude_id",
    "amplitude_user_id": "user_id",
    "device_id": "device_id",
    "event_type": "event_type",
    "client_library": "library",
    "platform": "platform",
    "os_name": "os_name",
    "os_version": "os_version",
    "app_version": "version_name",
    "first_app_version": "start_version",
    "device_type": "device_type",
    "device_family": "device_family",
    "device_brand": "device_brand",
    "device_manufacturer": "device_manufacturer",
    "device_model": "device_model",
    "device_carrier": "device_carrier",
    "device_language": "language",
    "ip_address": "ip_address",
    "country": "country",
    "region": "region",
    "city": "city",
    "designated_market_area": "dma",
}
# Where an empty text is the same as none.
NEVER_EMPTY = {
    "uuid",
    "insert_id",
    "amplitude_id",
    "amplitude_user_id",
    "device_id",
    "event_type",
}
PROPERTIES = {
    "page_url": "[Amplitude] Page URL",
    "page_path": "[Amplitude] Page Path",
    "page_title": "[Amplitude] Page Title",
    "page_domain": "[Amplitude] Page Domain",
    "referrer": "referrer",
    "referring_domain": "referring_domain",
    "utm_source": "utm_source",
    "utm_medium": "utm_medium",
    "utm_campaign": "utm_campaign",
    "utm_term": "utm_term",
    "utm_content": "utm_content",
    "product_id": "$productId",
    "revenue_type": "$revenueType",
}
CLICK_IDS = [
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "msclkid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "rdt_cid",
    "rtd_cid",
    "ScCid",
    "ko_click_id",
    "fbclid",
]
ELEMENT = ["Text", "ID", "Href", "Tag"]
TIMES = {
    "occurred_at": "event_time",
    "client_occurred_at": "client_event_time",
    "client_uploaded_at": "client_upload_time",
    "received_at": "server_received_time",
    "uploaded_at": "server_upload_time",
}
OBJECTS = {
    "event_properties": "event_properties",
    "user_properties": "user_properties",
    "group_properties": "group_properties",
    "user_groups": "groups",
}
PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
HALF = re.compile(r"\\u[dD][89a-fA-F]")
ISO_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-](?:0\d|1[0-4])(?::?\d\d)?)?)?",
    re.ASCII,
)


@dataclass(frozen=True)
class File:
    """An object of the landing with exported rows."""

    key: str
    project_id: str
    hour: datetime | None


@dataclass(frozen=True)
class LedgerLine:
    """What one export of one hour gave."""

    line_id: str
    project_id: str | None
    api_key_id: str
    status: str
    event_count: int
    hour: datetime
    exported_at: datetime
    files: tuple[str, ...]
    clock: str = "machine"

    @property
    def rank(self) -> tuple[bool, datetime]:
        """Of several lines the highest counts: Amplitude's clock before a machine's."""
        return self.clock == "server", self.exported_at

    @property
    def has_valid_time(self) -> bool:
        """No line landed before its time; clocks of machines may differ by an hour."""
        now = datetime.now(UTC).replace(tzinfo=None)
        return self.clock == "server" or self.exported_at <= now + timedelta(hours=1)


def lines_of(path: Path) -> list[str]:
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    lines = data.decode("utf-8", "replace").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def parsed(line: str) -> dict | None:
    """The JSON object, with U+FFFD for halves of surrogate pairs; None if it is not."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        found = json.loads(line, parse_constant=refuse)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    return whole_characters(found) if HALF.search(line) else found


def whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [whole_characters(one) for one in value]
    if isinstance(value, dict):
        return {
            whole_characters(key): whole_characters(one) for key, one in value.items()
        }
    return value


def text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def string(value: Any) -> str | None:
    """A property that is a string and not empty."""
    return value if isinstance(value, str) and value else None


def objects(value: Any) -> Any:
    """The value, as JSON if it is not what it should be."""
    is_scalar = value is not None and not isinstance(value, dict | list)
    return json.dumps(value) if is_scalar else value


def number(value: Any) -> float | None:
    """A number in plain or scientific notation, below 10^15."""
    found = text(value)
    if found is None or not PLAIN_NUMBER.fullmatch(found):
        return None
    result = float(found)
    return result if abs(result) < NUMBER_LIMIT else None


def whole_number(value: Any) -> int | None:
    """A number of up to 18 characters, or one below 10^15 that is whole."""
    found = text(value)
    if found is not None and re.fullmatch(r"-?[0-9]+", found) and len(found) <= 18:
        return int(found)
    result = number(value)
    return int(result) if result is not None and result.is_integer() else None


def moment(value: Any) -> datetime | None:
    """A UTC time of the years 1 to 9999: ISO 8601, or milliseconds since 1970 of 13
    digits."""
    found = text(value)
    if found is None:
        return None
    milliseconds = number(value)
    if milliseconds is not None and 10**12 <= milliseconds < 10**13:
        return EPOCH + timedelta(milliseconds=math.floor(milliseconds))
    try:
        match = ISO_TIME.fullmatch(found)
        if not match:
            return None
        day, clock, zone = match.groups()
        clock = re.sub(r"(\.\d{6})\d+", r"\1", clock or "00:00")
        if zone in (None, "Z"):
            zone = "+00:00"
        time = datetime.fromisoformat(f"{day}T{clock}{zone}")
        return time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


TYPED = {
    whole_number: ["event_id", "session_id"],
    number: ["sample_rate", "location_lat", "location_lng"],
    moment: [*TIMES.values(), "processed_time", "user_creation_time"],
}


def read_rows(landing: Path) -> Iterator[dict]:
    """Every line of every file, typed; of lines that are not JSON only the place."""
    for path in sorted((landing / "events").rglob("*.json*")):
        key = path.relative_to(landing / "events").as_posix()
        key = f"events/{key}"
        _, project_id, day, hour, _ = key.split("/")
        file = File(key, project_id, datetime.fromisoformat(f"{day} {hour}:00:00"))
        for row_number, line in enumerate(lines_of(path), 1):
            yield typed(file, row_number, parsed(line))


def typed(file: File, row_number: int, exported: dict | None) -> dict:
    is_parsed = exported is not None
    exported = exported or {}
    row: dict[str, Any] = {
        name: text(exported.get(field)) for name, field in TEXTS.items()
    }
    row |= {name: row[name] or None for name in NEVER_EMPTY}
    properties = exported.get("event_properties")
    properties = properties if isinstance(properties, dict) else {}
    row |= {name: string(properties.get(key)) for name, key in PROPERTIES.items()}
    click_ids = [name for name in CLICK_IDS if string(properties.get(name))]
    row["click_id_parameter"] = next(iter(click_ids), None)
    elements = [string(properties.get(f"[Amplitude] Element {one}")) for one in ELEMENT]
    row["element"] = next(filter(None, elements), None)
    row |= {name: moment(exported.get(field)) for name, field in TIMES.items()}
    row |= {name: objects(exported.get(field)) for name, field in OBJECTS.items()}
    row["price"] = number(properties.get("$price"))
    row["quantity"] = number(properties.get("$quantity"))
    row["revenue"] = number(properties.get("$revenue"))
    one = 1 if row["quantity"] is None else row["quantity"]
    if row["price"] is not None and abs(row["price"] * one) >= NUMBER_LIMIT:
        row["price"] = None
    row["latitude"] = number(exported.get("location_lat"))
    row["longitude"] = number(exported.get("location_lng"))
    row["device_event_number"] = whole_number(exported.get("event_id"))
    session_id = whole_number(exported.get("session_id"))
    row["exported_session_id"] = -1 if session_id is None else session_id
    row["is_paying"] = text(exported.get("paying")) == "true"
    row["unmerged_user_id"] = (
        row["amplitude_id"]
        or (row["amplitude_user_id"] and f"user:{row['amplitude_user_id']}")
        or (row["device_id"] and f"device:{row['device_id']}")
        or None
    )
    row["amplitude_session_id"] = (
        None if row["exported_session_id"] == -1 else row["exported_session_id"]
    )
    row["has_unparsed_field"] = exported.get("app") is not None and (
        text(exported["app"]) != file.project_id
    )
    for read, fields in TYPED.items():
        for field in fields:
            value = exported.get(field)
            row["has_unparsed_field"] |= value is not None and read(value) is None
    for name, key in {
        "price": "$price",
        "quantity": "$quantity",
        "revenue": "$revenue",
    }.items():
        row["has_unparsed_field"] |= (
            properties.get(key) is not None and row[name] is None
        )
    for field in ("event_properties", "user_properties"):
        value = exported.get(field)
        row["has_unparsed_field"] |= value is not None and not isinstance(value, dict)
    landed_row_id = f"{file.key}#{row_number}"
    event_id = row["uuid"] or landed_row_id
    return row | {
        "landed_row_id": landed_row_id,
        "event_id": event_id,
        "project_event_id": f"{file.project_id}/{event_id}",
        "project_id": file.project_id,
        "file": file,
        "keys": exported.keys(),
        "has_session_id": exported.get("session_id") is not None,
        "is_parsed": is_parsed,
    }


def read_ledger(landing: Path) -> Iterator[LedgerLine]:
    """The lines that count."""
    return filter(lambda line: line.has_valid_time, read_lines(landing))


def read_lines(landing: Path) -> Iterator[LedgerLine]:
    for path in sorted((landing / "ledger").rglob("*.json")):
        key = path.relative_to(landing).as_posix()
        for line in filter(None, lines_of(path)):
            recorded = json.loads(line)
            yield LedgerLine(
                f"{key}#{recorded['hour']}",
                recorded["project_id"],
                recorded["api_key_id"],
                recorded["status"],
                recorded["event_count"],
                datetime.fromisoformat(recorded["hour"][:19]),
                datetime.fromisoformat(recorded["exported_at"]).replace(tzinfo=None),
                tuple(file["key"] for file in recorded["files"]),
                recorded.get("clock", "machine"),
            )
