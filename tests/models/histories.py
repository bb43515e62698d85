"""Random histories of a project: what its people did, how it was exported and landed.

Everything that a history can hold is in small numbers and close together, so that what
seldom happens in a warehouse happens in most of them: uploads that are months late,
repeats in other files and other months, hours exported anew with other rows, logins in
mid-session, devices that change hands, clocks that are wrong, fields that are missing.
"""

import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

START = datetime(2026, 1, 30, 22)
HOUR = timedelta(hours=1)
PAGES = ["https://a.example/", "a.example/b#g", "https://b.example?e=//f"]
EVENT_TYPES = [
    "[Amplitude] Page Viewed",
    "[Amplitude] Element Clicked",
    "session_start",
    "Bought",
]
LATENESS = [
    *[timedelta(seconds=1)] * 6,
    timedelta(minutes=50),
    timedelta(hours=30),
    timedelta(days=9),
    timedelta(days=70),
]
# A second before and after midnight, in the middle of months, at the end of one.
MOMENTS = [
    timedelta(0),
    timedelta(hours=1, minutes=59, seconds=59),
    timedelta(hours=2, seconds=1),
    timedelta(hours=26),
    timedelta(days=3),
    timedelta(days=29),
    timedelta(days=30, hours=2),
]
Row = dict[str, object]


@dataclass
class Export:
    """One answer of the Export API for one hour: its files, and its ledger line."""

    project: str
    hour: datetime
    exported_at: datetime
    files: list[list[Row]]
    form: str = "json.gz"

    @property
    def folder(self) -> str:
        return f"{self.project}/{self.hour:%Y-%m-%d}/{self.hour:%H}"

    def objects(self) -> list[tuple[str, bytes, int]]:
        """Key, bytes and row count of each file, as the ingest lands them."""
        found = []
        for number, rows in enumerate(self.files):
            text = "".join(json.dumps(row) + "\n" for row in rows)
            data = text.encode()
            if self.form == "json.gz":
                data = gzip.compress(data, mtime=0)
            name = hashlib.sha256(data).hexdigest()[:16]
            key = f"events/{self.folder}/{number}-{name}.{self.form}"
            found.append((key, data, len(rows)))
        return found

    def ledger_line(self) -> Row:
        files = [
            {
                "key": key,
                "member": f"{self.project}_{self.hour:%Y-%m-%d}_{self.hour.hour}#0",
                "event_count": count,
                "byte_count": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            for key, data, count in self.objects()
        ]
        hour = f"{self.hour.isoformat()}+00:00"
        return {
            # Before its first file the project has no name.
            "project_id": self.project if files else None,
            "api_key_id": f"key of {self.project}",
            "run_id": f"run at {self.exported_at:%Y-%m-%dT%H}",
            "status": "landed" if files else "empty",
            "event_count": sum(file["event_count"] for file in files),
            "file_count": len(files),
            "byte_count": sum(file["byte_count"] for file in files),
            "hour": hour,
            "window_start": hour,
            "window_end": hour,
            "exported_at": f"{self.exported_at.isoformat()}+00:00",
            "ingest_version": "1",
            "files": files,
        }


@dataclass
class Load:
    """What lands between two builds."""

    name: str
    objects: list[tuple[str, bytes]] = field(default_factory=list)
    ledger: list[Export] = field(default_factory=list)
    merges: list[tuple[str, int, int]] = field(default_factory=list)

    def land(self, landing: Path) -> None:
        for key, data in self.objects:
            write(landing / key, data)
        lines = defaultdict(list)
        for export in self.ledger:
            day = f"{export.project}/{export.hour:%Y-%m-%d}"
            lines[day].append((export.exported_at, export.ledger_line()))
        for day, found in lines.items():
            for number, (_, line) in enumerate(sorted(found, key=lambda one: one[0])):
                path = landing / f"ledger/{day}/{self.name}-{number}.json"
                write(path, json.dumps(line).encode() + b"\n")


def land(landing: Path, loads: list[Load]) -> None:
    for load in loads:
        load.land(landing)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def history(seed: int, project: str, load_count: int) -> list[Load]:
    """The history of one project, cut into loads that come in any order."""
    random = Random(f"history {seed} {project}")
    happenings = list(happened(random, project))
    rows = with_repeats(random, happenings)
    loads = [Load(f"load-{number}") for number in range(load_count)]
    for export in exports(random, project, rows):
        at = random.randrange(load_count)
        # Files come with their ledger line, or before it.
        ledger_at = at if random.random() < 0.8 else random.randrange(at, load_count)
        for key, data, _ in export.objects():
            loads[at].objects.append((key, data))
        loads[ledger_at].ledger.append(export)
    for export in unrecorded(random, [line for load in loads for line in load.ledger]):
        objects = random.choice(loads).objects
        objects.extend((key, data) for key, data, _ in export.objects())
    for export in purchases(random, project, happenings):
        load = random.choice(loads)
        load.objects.extend((key, data) for key, data, _ in export.objects())
        load.ledger.append(export)
    for merge in merges(random, project):
        random.choice(loads).merges.append(merge)
    return loads


def number_of(project: str) -> int:
    return int(project) * 1000


def happened(random: Random, project: str) -> Iterator[Row]:
    """What a handful of people did on a handful of devices."""
    first_id = number_of(project)
    people = [f"person-{one}" for one in range(random.randint(1, 3))]
    devices = [f"device-{one}" for one in range(random.randint(1, 4))]
    # Anonymous ids belong to devices, others to people.
    anonymous = {device: first_id + at for at, device in enumerate(devices)}
    known = {person: first_id + 100 + at for at, person in enumerate(people)}
    for number in range(random.randint(15, 45)):
        device = random.choice(devices)
        person = random.choice([None, None, *people])
        moment = START + random.choice(MOMENTS)
        # Sessions are few, and two people may have one of the same number.
        session_id = int(moment.timestamp() * 1000)
        time = moment + timedelta(milliseconds=random.randrange(0, 9000, 500))
        skew = timedelta(hours=random.choice([0] * 8 + [-30, 1]))
        uploaded = time + random.choice(LATENESS)
        yield {
            "app": int(project),
            "uuid": f"{project}-{number}",
            "$insert_id": f"insert-{number}",
            "device_id": device,
            "user_id": person,
            "amplitude_id": known[person] if person else anonymous[device],
            "session_id": random.choice([session_id] * 6 + [-1, 0, None]),
            "event_type": random.choice(EVENT_TYPES),
            "event_time": f"{time:%F %T.%f}",
            "client_event_time": f"{time + skew:%F %T.%f}",
            "server_upload_time": f"{uploaded:%F %T.%f}",
            "platform": random.choice(["Web", "iOS", None]),
            "country": random.choice(["Japan", "Peru", None]),
            "os_name": random.choice(["Chrome"] * 15 + ["bingbot"]),
            "user_properties": random.choice([None, {}, {"plan": number}]),
            "event_properties": event_properties(random),
        } | random.choice([{}] * 12 + missing(random))


def purchases(random: Random, project: str, rows: list[Row]) -> Iterator[Export]:
    """Amplitude's events of one purchase, in loads, sessions and hours of their own."""
    kinds = ["revenue_amount", "unverified_revenue", "verified_revenue"]
    hour = START + timedelta(days=60, hours=13)
    times = ("event_time", "client_event_time")
    timed = [row for row in rows if all(str(row[key])[:2] == "20" for key in times)]
    for number, row in enumerate(random.sample(timed, 4)):
        for kind in random.sample(kinds, random.randint(1, 3)):
            hour += HOUR
            later = timedelta(milliseconds=random.choice([0, 500, 1500]))
            moved = {
                key: f"{datetime.fromisoformat(row[key]) + later:%F %T.%f}"
                for key in times
            }
            amount = random.choice([{"$price": 1, "$quantity": 2}, {"$revenue": 2.5}])
            purchase = {
                "uuid": f"{project}-{kind}-{number}",
                "$insert_id": f"{kind}-{number}",
                "session_id": random.choice([row["session_id"], -1]),
                "event_type": kind,
                "event_properties": {"$productId": "lamp"} | amount,
                "server_upload_time": f"{hour:%F %T.%f}",
            }
            yield Export(project, hour, hour + HOUR, [[row | moved | purchase]])


def event_properties(random: Random) -> Row | None:
    page = random.choice(PAGES)
    return random.choice(
        [
            {"[Amplitude] Page URL": page, "[Amplitude] Page Domain": "a.example"},
            {
                "[Amplitude] Page URL": page,
                "[Amplitude] Element Text": "Buy",
                "referrer": "https://b.example/",
                "referring_domain": "b.example",
            },
            {
                "utm_source": random.choice(["x", "y"]),
                "$revenue": round(random.random(), 4),
            },
            None,
        ]
    )


def missing(random: Random) -> list[Row]:
    """What a row may lack."""
    return [
        {"amplitude_id": None},
        {"amplitude_id": None, "user_id": None},
        {"amplitude_id": None, "user_id": None, "device_id": None},
        {"device_id": None},
        {"device_id": ""},
        {"user_id": ""},
        {"uuid": None},
        {"$insert_id": None},
        {"$insert_id": ""},
        {"event_type": None},
        {"event_time": None},
        {"client_event_time": None},
        {"event_time": "soon", "client_event_time": None},
        {"server_upload_time": None},
    ]


def with_repeats(random: Random, rows: list[Row]) -> list[Row]:
    """With rows that came twice: in other uploads, in other months, of other people."""
    found = list(rows)
    for _ in range(random.randrange(20)):
        row = random.choice(found)
        uploaded = row["server_upload_time"]
        if uploaded:
            later = random.choice([*LATENESS, -HOUR, timedelta(0)])
            uploaded = f"{datetime.fromisoformat(uploaded) + later:%F %T.%f}"
        again = {"server_upload_time": uploaded}
        if random.random() < 0.5:
            again["uuid"] = f"{row['app']}-again-{len(found)}"
        if random.random() < 0.4:
            again["$insert_id"] = random.choice(rows[:5])["$insert_id"]
            again["device_id"] = random.choice(rows[:5])["device_id"]
        if random.random() < 0.2:
            other = random.choice(rows)
            again |= {
                key: other[key] for key in ("amplitude_id", "user_id", "event_time")
            }
        found.append(row | again)
    random.shuffle(found)
    return found


def exports(random: Random, project: str, rows: list[Row]) -> Iterator[Export]:
    """The exports of every hour, some of them anew with other rows."""
    hours = defaultdict(list)
    for row in rows:
        uploaded = datetime.fromisoformat(row["server_upload_time"] or str(START))
        hours[uploaded.replace(minute=0, second=0, microsecond=0)].append(row)
    for hour, found in sorted(hours.items()):
        versions = [found]
        if random.random() < 0.15:
            versions.append(random.sample(found, random.randint(1, len(found))))
            other = random.choice(rows)
            if random.random() < 0.5:
                versions[-1].append(other | {"uuid": f"{project}-new-{hour}"})
        if len(versions) > 1 and random.random() < 0.3:
            versions.append(found)
        for number, version in enumerate(versions):
            at = random.randrange(1, len(version) + 1)
            files = [part for part in (version[:at], version[at:]) if part]
            yield Export(project, hour, hour + (4 + number) * HOUR, files)


def unrecorded(random: Random, recorded: list[Export]) -> Iterator[Export]:
    """Exports without a ledger line, as a killed ingest leaves them: of hours that were
    exported again with more rows or in the other format, and of hours that were not."""
    for export in random.sample(recorded, min(len(recorded), random.randrange(4))):
        rows = [row for file in export.files for row in file]
        few = random.sample(rows, random.randint(1, len(rows)))
        hour = export.hour + random.choice([0, 0, 0, 500]) * HOUR
        form = random.choice(["json", "json.gz"])
        yield Export(export.project, hour, export.exported_at, [few], form)


def merges(random: Random, project: str) -> Iterator[tuple[str, int, int]]:
    """Ids that were merged, and into which: chains too, but no circles."""
    first_id = number_of(project)
    ids = [*range(first_id, first_id + 4), first_id + 100, first_id + 101]
    for merged, target in pairwise(ids):
        if random.random() < 0.25:
            yield project, merged, target
