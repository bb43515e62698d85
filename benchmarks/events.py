"""Write an export of any size: rows shaped like those of Amplitude's browser SDK.

    python -m benchmarks.events DIR --events 2000000

A row is about 1.7 KB of JSON and 220 bytes gzipped, with the 55 keys that an exported
row has. Users come back, log in halfway through a session, upload late and send twice,
each as often as the constants below say. The same arguments give the same bytes.
"""

import argparse
import json
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

from isal import igzip

PROJECT = 100500777
FIRST_DAY = datetime(2026, 1, 1)
MEMBERS_AN_HOUR = 5
EVENTS_A_USER = 40
EVENTS_A_SESSION = 12

LATE_RATE = 0.02
REPEAT_RATE = 0.005
LOGIN_RATE = 0.03

PAGES = ["", "pricing", "docs", "docs/start", "blog", "cart", "checkout", "account"]
ELEMENTS = ["Sign in", "Add to cart", "Next", "Search", "Save", "Delete", "Buy now"]
EVENT_TYPES = [
    "[Amplitude] Page Viewed",
    "[Amplitude] Element Clicked",
    "[Amplitude] Element Clicked",
    "[Amplitude] Element Changed",
    "Product Viewed",
    "Search Performed",
]
CITIES = [
    ("Germany", "Berlin", "Berlin"),
    ("United States", "California", "San Francisco"),
    ("Brazil", "São Paulo", "São Paulo"),
    ("Japan", "Tokyo", "Tokyo"),
]
SOURCES = ["google", "newsletter", "github", None]


@dataclass(frozen=True)
class Member:
    """One file of the export: events that were uploaded in one hour."""

    hour: datetime
    part: int
    event_count: int

    @property
    def path(self) -> str:
        day = f"{self.hour:%Y-%m-%d}"
        return f"{PROJECT}/{PROJECT}_{day}_{self.hour.hour}#{self.part}.json.gz"


def members(event_count: int, days: int = 1) -> Iterator[Member]:
    """The files of an export of so many events over so many days."""
    parts = MEMBERS_AN_HOUR if days == 1 else 1
    file_count = days * 24 * parts
    for number in range(file_count):
        hour, part = divmod(number, parts)
        first = event_count * number // file_count
        after_last = event_count * (number + 1) // file_count
        yield Member(FIRST_DAY + hour * timedelta(hours=1), part, after_last - first)


def write_export(
    folder: Path, event_count: int, days: int = 1, copies: int = 1
) -> None:
    """Write the export's files below the folder, with one process a core.

    Each file is there so many times, under other numbers; copies take no space.
    """
    (folder / str(PROJECT)).mkdir(parents=True, exist_ok=True)
    user_count = max(1, event_count // EVENTS_A_USER)
    with ProcessPoolExecutor() as pool:
        list(
            pool.map(
                partial(write_member, folder, user_count), members(event_count, days)
            )
        )
    for member in members(event_count, days):
        for copy in range(1, copies):
            other = replace(member, part=member.part + copy * MEMBERS_AN_HOUR)
            (folder / other.path).hardlink_to(folder / member.path)


def write_member(folder: Path, user_count: int, member: Member) -> None:
    """Write one file."""
    with igzip.open(folder / member.path, "wt", 2, encoding="utf-8") as lines:
        for row in rows(member, user_count):
            lines.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
            lines.write("\n")


def rows(member: Member, user_count: int) -> list[dict]:
    """The rows of a file, in the order of their upload."""
    random = Random(f"{member.hour} {member.part}")
    found: list[dict] = []
    while len(found) < member.event_count:
        for row in session(random, member.hour, user_count):
            for _ in range(2 if random.random() < REPEAT_RATE else 1):
                found.append(row | {"uuid": new_uuid(random)})
    del found[member.event_count :]
    return sorted(found, key=lambda row: row["server_upload_time"])


def new_uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def session(random: Random, hour: datetime, user_count: int) -> Iterator[dict]:
    """The rows of one session: those of faithful users are more."""
    user = int(user_count * random.random() ** 2)
    country, region, city = CITIES[user % len(CITIES)]
    of_user = Random(user)
    device = new_uuid(of_user)
    lateness = timedelta(days=random.randint(1, 60) * (random.random() < LATE_RATE))
    uploaded = hour + timedelta(milliseconds=random.randint(0, 1_800_000))
    time = uploaded - lateness
    session_id = int(time.timestamp() * 1000)
    amplitude_id = of_user.randrange(10**11, 10**12, 2)
    length = random.randint(1, 2 * EVENTS_A_SESSION)
    is_known = user % 2 == 0
    login_at = random.randint(1, 5) if random.random() < LOGIN_RATE else 0
    for number in range(length):
        is_identified = is_known and number >= login_at
        event_type = "session_start" if number == 0 else random.choice(EVENT_TYPES)
        page = random.choice(PAGES)
        time += timedelta(milliseconds=random.randint(1, 40_000))
        uploaded += timedelta(milliseconds=random.randint(1, 40_000))
        stamp, sent = f"{time:%F %T.%f}", f"{uploaded:%F %T.%f}"
        yield {
            "$insert_id": new_uuid(random),
            "$insert_key": None,
            "$schema": None,
            "adid": None,
            "amplitude_attribution_ids": None,
            "amplitude_event_type": event_type if number == 0 else None,
            "amplitude_id": amplitude_id + is_identified,
            "app": PROJECT,
            "city": city,
            "client_event_time": stamp,
            "client_upload_time": sent,
            "country": country,
            "data": {"path": "/2/httpapi", "group_first_event": {}, "group_ids": {}},
            "data_type": "event",
            "device_brand": None,
            "device_carrier": None,
            "device_family": "Mac OS X" if user % 3 else "Windows",
            "device_id": device,
            "device_manufacturer": None,
            "device_model": None,
            "device_type": "Mac" if user % 3 else "Windows",
            "dma": None,
            "event_id": number + 1,
            "event_properties": event_properties(random, event_type, page),
            "event_time": stamp,
            "event_type": event_type,
            "global_user_properties": None,
            "group_properties": {},
            "groups": {},
            "idfa": None,
            "ip_address": ".".join(str(of_user.randint(1, 254)) for _ in range(4)),
            "is_attribution_event": False,
            "language": "English",
            "library": "amplitude-ts/2.11.1",
            "location_lat": of_user.uniform(-60, 60),
            "location_lng": of_user.uniform(-180, 180),
            "os_name": "Chrome",
            "os_version": f"14{user % 5}",
            "partner_id": None,
            "paying": user % 10 == 0 or None,
            "plan": {},
            "platform": "Web",
            "processed_time": sent,
            "region": region,
            "sample_rate": None,
            "server_received_time": sent,
            "server_upload_time": sent,
            "session_id": session_id,
            "source_id": None,
            "start_version": None,
            "user_creation_time": None,
            "user_id": f"customer-{user:07}" if is_identified else None,
            "user_properties": user_properties(user),
            "uuid": None,
            "version_name": None,
        }


def event_properties(random: Random, event_type: str, page: str) -> dict:
    """What the browser SDK says of the page and of the element on it."""
    url = f"https://example.com/{page}"
    properties: dict[str, str | int | float] = {
        "[Amplitude] Page Path": f"/{page}",
        "[Amplitude] Page Title": page.title() or "Home",
        "[Amplitude] Page URL": url,
        "trace": random.getrandbits(128).to_bytes(16, "big").hex(),
    }
    if "Element" in event_type:
        text = random.choice(ELEMENTS)
        properties |= {
            "[Amplitude] Element Tag": "button",
            "[Amplitude] Element Text": text,
            "[Amplitude] Element Position Left": random.randint(0, 1920),
            "[Amplitude] Element Position Top": random.randint(0, 4000),
        }
    elif event_type == "Product Viewed":
        properties |= {"product": random.randint(1, 5000), "price": random.random()}
    return properties


def user_properties(user: int) -> dict:
    """The user as the event found it."""
    source = SOURCES[user % len(SOURCES)]
    return {
        "initial_referrer": f"https://{source}.example/" if source else "EMPTY",
        "initial_utm_source": source or "EMPTY",
        "initial_utm_campaign": "spring" if user % 7 == 0 else "EMPTY",
        "plan": "team" if user % 10 == 0 else "free",
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.events", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--copies", type=int, default=1)
    asked = parser.parse_args()
    write_export(asked.folder, asked.events, asked.days, asked.copies)
    return 0


if __name__ == "__main__":
    sys.exit(main())
