"""Random histories of a project: what its people did, how it was exported and landed.

Everything that a history can hold is in small numbers and close together, so that what
seldom happens in a warehouse happens in most of them: uploads that are months late,
repeats in other files, months and projects, hours exported again with other rows or in
the other format, hours that are empty, too large or not in the ledger, files without a
ledger line, logins in mid-session, devices that change hands, merges in chains and
circles, clocks that are wrong, fields that are missing, numbers and times that are not
valid.
"""

import gzip
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

# Every key holds the project, so each project is a history of its own.
HISTORIES = int(os.environ.get("MODEL_HISTORIES", "30"))

START = datetime(2026, 1, 30, 22)
AHEAD = timedelta(days=36_500)
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
# Steps of funnels, of which some are in one second.
STEPS = [
    ["Product Viewed", "Product Added", "Checkout Started", "Order Completed"],
    ["Search Performed", "Filter Applied", "Product Added"],
    ["Bought", "Product Viewed", "Bought"],
]
# Values that are not numbers, and numbers in odd forms. None is so large that a sum
# loses digits.
NUMBERS = [
    *["NaN", "Infinity", "-inf", "1e308", 1e308, "1_000", "0x10", "1,5", "", " 1"],
    *["1e3", "12.", ".5", "+7", "-2", -1.5, 0, "1e-400", "\u0663", True, [1], {"a": 1}],
]
SESSION_IDS = ["1e3", "7", 7.0, 7.5, "x", "", 10**18, 10**20, True, "-1"]
# Times far away, and values that are not times.
ODD_TIMES = [
    *["0001-01-02 00:00:00.000000", "1601-01-01 00:00:00.000000"],
    *["1970-01-01 00:00:00.000000", "2019-05-05 05:05:05.050505"],
    *["2031-01-01 00:00:00", "9999-12-31 23:59:59.999999", "infinity", "-infinity"],
    *["epoch", "now", "soon", "", "2026-02-30 00:00:00.000000", "2026-02-01 24:00:00"],
    *["2026-02-01 10:00:60", "2026-2-1 10:00:00", "0000-01-01 00:00:00.000000"],
    *["2026-02-01 10:00:00+15:00", "20260201", 20260201, 1769990400, True, {}],
    *[17699904000, 176999040000, 1769990400000000],
]
# Lines that the ingest takes for objects, and that are not JSON.
BROKEN = ["{not JSON}", '{"uuid": "cut", "event_type": "Se}', "{}}"]
Row = dict[str, Any]


@dataclass
class Export:
    """One answer of the Export API for one hour: its files, and its ledger line."""

    project: str
    hour: datetime
    exported_at: datetime
    files: Sequence[Sequence[Row | str]]
    form: str = "json.gz"
    # Of an hour without files.
    status: str = "empty"
    # Whose clock `exported_at` is of; older lines do not tell.
    clock: str | None = None

    @property
    def folder(self) -> str:
        return f"{self.project}/{self.hour:%Y-%m-%d}/{self.hour:%H}"

    def objects(self) -> list[tuple[str, bytes, int]]:
        """Key, bytes and row count of each file, as the ingest lands them."""
        found = []
        for number, rows in enumerate(self.files):
            lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
            text = "".join(line + "\n" for line in lines)
            data = text.encode()
            if self.form == "json.gz":
                data = gzip.compress(data, mtime=0)
            name = hashlib.sha256(data).hexdigest()[:16]
            key = f"events/{self.folder}/{number}-{name}.{self.form}"
            found.append((key, data, len(rows)))
        return found

    def ledger_line(self) -> Row:
        files: list[Row] = [
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
            "status": "landed" if files else self.status,
            "event_count": sum(file["event_count"] for file in files),
            "file_count": len(files),
            "byte_count": sum(file["byte_count"] for file in files),
            "hour": hour,
            "window_start": hour,
            "window_end": hour,
            "exported_at": f"{self.exported_at.isoformat()}+00:00",
            "ingest_version": "1",
            "files": files,
        } | ({"clock": self.clock} if self.clock else {})


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
        lines: dict = defaultdict(lambda: defaultdict(list))
        for export in self.ledger:
            day = f"{export.project}/{export.hour:%Y-%m-%d}"
            lines[day][export.exported_at].append(export.ledger_line())
        for day, runs in lines.items():
            for number, run in enumerate(sorted(runs)):
                path = landing / f"ledger/{day}/{self.name}-{number}.json"
                text = "".join(json.dumps(line) + "\n" for line in runs[run])
                write(path, text.encode())


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
    found = [*exports(random, project, rows), *purchases(random, project, happenings)]
    for export in found:
        at = random.randrange(load_count)
        loads[at].objects += [(key, data) for key, data, _ in export.objects()]
        # Files come with their ledger line, before it, or without.
        if random.random() < 0.95:
            later = random.randrange(at, load_count)
            loads[random.choice([at] * 4 + [later])].ledger.append(export)
    for export in unrecorded(random, [line for load in loads for line in load.ledger]):
        objects = random.choice(loads).objects
        objects.extend((key, data) for key, data, _ in export.objects())
    for export in without_files(random, project, {export.hour for export in found}):
        random.choice(loads).ledger.append(export)
    for merge in merges(random, project):
        random.choice(loads).merges.append(merge)
    return loads


def number_of(project: str) -> int:
    """Where the ids of a project begin: two projects have the same ids."""
    return int(project) // 2 * 1000


def happened(random: Random, project: str) -> Iterator[Row]:
    """What a handful of people did on a handful of devices."""
    first_id = number_of(project)
    people = [f"person-{one}" for one in range(random.randint(1, 3))]
    devices = [f"device-{one}" for one in range(random.randint(1, 4))]
    # Anonymous ids belong to devices, others to people.
    anonymous = {device: first_id + at for at, device in enumerate(devices)}
    known = {person: first_id + 100 + at for at, person in enumerate(people)}
    for number in range(random.randint(15, 40)):
        device = random.choice(devices)
        person = random.choice([None, None, *people])
        moment = START + random.choice(MOMENTS)
        # Sessions are few, and two people may have one of the same number.
        session_id = int(moment.timestamp() * 1000)
        time = moment + timedelta(milliseconds=random.randrange(0, 9000, 500))
        skew = timedelta(hours=random.choice([0] * 8 + [-30, 1]))
        uploaded = time + random.choice(LATENESS)
        row = {
            "app": random.choice([int(project)] * 12 + [project, 7, None]),
            "uuid": f"{first_id}-{number}",
            "$insert_id": f"insert-{number}",
            "event_id": number,
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
        yield row
        if random.random() < 0.1:
            yield from steps(random, row)


def steps(random: Random, row: Row) -> Iterator[Row]:
    """Some steps of a funnel, in one second or a few."""
    pause = timedelta(milliseconds=random.choice([0, 0, 400, 1000]))
    found = list(random.choice(STEPS))
    if random.random() < 0.3:
        random.shuffle(found)
    for number, event_type in enumerate(found[: random.randint(2, 4)]):
        moved = {
            key: f"{datetime.fromisoformat(row[key]) + number * pause:%F %T.%f}"
            for key in ("event_time", "client_event_time")
            if str(row[key])[:2] == "20"
        }
        ids = dict.fromkeys(("uuid", "$insert_id"), f"{row['uuid']}-{number}")
        yield row | moved | ids | {"event_type": event_type}


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
            amount: Row = random.choice(
                [{"$price": 1, "$quantity": 2}, {"$revenue": 2.5}]
            )
            purchase = {
                "uuid": f"{row['uuid']}-{kind}-{number}",
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
    for _ in range(random.randrange(10, 40)):
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
    """The exports of every hour, some of them again: with other rows, or in the other
    format."""
    hours: dict[datetime, list[Row | str]] = defaultdict(list)
    for row in rows:
        uploaded = datetime.fromisoformat(row["server_upload_time"] or str(START))
        hour = uploaded.replace(minute=0, second=0, microsecond=0)
        hours[hour].append(odd(random, row) if random.random() < 0.15 else row)
    for hour, found in sorted(hours.items()):
        if random.random() < 0.05:
            found.append(random.choice(BROKEN))
        versions = [found]
        if random.random() < 0.15:
            versions.append(random.sample(found, random.randint(1, len(found))))
            other = random.choice(rows)
            if random.random() < 0.5:
                versions[-1].append(other | {"uuid": f"{project}-new-{hour}"})
        if random.random() < 0.3 * (len(versions) - 1) + 0.05:
            versions.append(found)
        for number, version in enumerate(versions):
            at = random.randrange(1, len(version) + 1)
            files = [part for part in (version[:at], version[at:]) if part]
            form = random.choice(["json.gz"] * 4 + ["json"])
            export = Export(project, hour, hour + (4 + number) * HOUR, files, form)
            yield dated(random, export)


def dated(random: Random, export: Export) -> Export:
    """By Amplitude's clock or the machine's, which may be a hundred years ahead."""
    clock, ahead = random.choice(
        [("server", 0)] * 8 + [("machine", 0), (None, 0), ("machine", 1), (None, 1)]
    )
    return replace(export, clock=clock, exported_at=export.exported_at + ahead * AHEAD)


def odd(random: Random, row: Row) -> Row:
    """The row with something that odd clients send, or another form of the same."""
    number, other_number = random.choice(NUMBERS), random.choice(NUMBERS)
    earned: Row = random.choice(
        [
            {random.choice(["$price", "$quantity", "$revenue"]): number},
            {"$price": number, "$quantity": other_number},
            {"$price": number, "$quantity": 10, "$revenue": other_number},
            {"$price": 9e14, "$quantity": 10},
        ]
    )
    properties = row["event_properties"] or {}
    time = random.choice(
        ["event_time", "event_time", "client_event_time", "server_upload_time"]
    )
    moment = random.choice(ODD_TIMES)
    if str(row[time])[:2] == "20" and random.random() < 0.5:
        moment = random.choice(forms_of(datetime.fromisoformat(row[time])))
    return row | random.choice(
        [
            {time: moment},
            {time: moment},
            {time: moment, "user_creation_time": moment},
            {"event_properties": properties | earned},
            {"event_properties": properties | earned},
            {"event_properties": properties | {"[Amplitude] Element Text": "\ud83d"}},
            {"event_properties": random.choice(["text", [1], 7, False])},
            {"user_properties": random.choice(["text", [1], 7, {"a": "\udc00"}])},
            {random.choice(["event_id", "location_lat", "location_lng"]): number},
            {"session_id": random.choice(SESSION_IDS)},
            {random.choice(["device_id", "user_id", "amplitude_id"]): 7},
        ]
    )


def forms_of(time: datetime) -> list[Any]:
    """Other forms of a time, some of them shorter."""
    utc = time.replace(tzinfo=UTC)
    milliseconds = int(utc.timestamp() * 1000)
    tokyo = utc.astimezone(timezone(9 * HOUR))
    return [
        *[milliseconds, str(milliseconds), milliseconds + 0.5],
        *[f"{time:%FT%TZ}", f"{time:%F %H:%M}", f"{time:%F}", f"{time:%FT%T.%f}000"],
        *[f"{tokyo:%FT%T.%f%z}", f"{tokyo:%F %T}+09", f"{tokyo:%FT%T}+09:00"],
    ]


def unrecorded(random: Random, recorded: list[Export]) -> Iterator[Export]:
    """Exports without a ledger line, as a killed ingest leaves them: of hours that were
    exported again with more rows or in the other format, and of hours that were not."""
    for export in random.sample(recorded, min(len(recorded), random.randrange(4))):
        rows = [row for file in export.files for row in file]
        few = random.sample(rows, random.randint(1, len(rows)))
        hour = export.hour + random.choice([0, 0, 0, 500]) * HOUR
        form = random.choice(["json", "json.gz"])
        yield Export(export.project, hour, export.exported_at, [few], form)


def without_files(
    random: Random, project: str, with_files: set[datetime]
) -> Iterator[Export]:
    """Ledger lines of the hours of some days: empty ones and some that are too large. A
    few are missing, and a few are of hours that have files too."""
    start = START.replace(hour=0)
    hole = random.choice([0, 0.003, 0.02])
    for number in range(24 * random.choice([4, 12, 36])):
        hour = start + number * HOUR
        chance = random.random()
        status = "too_large" if chance < 2 * hole else "empty"
        if chance < hole or (hour in with_files and random.random() < 0.9):
            continue
        exported_at = hour.replace(hour=0) + 26.5 * HOUR
        line = Export(project, hour, exported_at, [], status=status)
        yield dated(random, line) if chance > 0.98 else replace(line, clock="server")


def merges(random: Random, project: str) -> Iterator[tuple[str, int, int]]:
    """Ids that were merged, and into which: chains, and in some projects one of 40 ids,
    or a circle with an id that leads into it."""
    first_id = number_of(project)
    anonymous, known = list(range(first_id, first_id + 4)), first_id + 100
    ids = [*anonymous, known, known + 1]
    for merged, target in pairwise(ids):
        if random.random() < 0.25:
            yield project, merged, target
    kind = int(project) % 5
    if kind == 0:
        chain = [anonymous[0], *range(first_id + 200, first_id + 238), known]
        for merged, target in pairwise(chain):
            yield project, merged, target
    if kind == 1:
        circle = random.sample(ids, random.randint(2, 4))
        for merged, target in pairwise([*circle, circle[0]]):
            yield project, merged, target
        yield project, random.choice(ids), circle[0]
