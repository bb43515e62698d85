"""Which landed rows are events, whose they are, and what marks them."""

import csv
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from .landed import EPOCH, LedgerLine

SEEDS = Path(__file__).parents[3] / "dbt/seeds"
NO_TIME = datetime.max
# Of builds that hash personal data.
HASH_SALT = "salt of the tests only"
MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
# Amplitude's events of one purchase; the first of these counts.
REVENUE_EVENTS = ["verified_revenue", "unverified_revenue", "revenue_amount"]


def microseconds(start: datetime, end: datetime) -> int:
    return (end - start) // MICROSECOND


def seconds(start: datetime, end: datetime) -> int:
    """Between the seconds that the times are in."""
    return (end.replace(microsecond=0) - start.replace(microsecond=0)).days * 86400 + (
        end.replace(microsecond=0) - start.replace(microsecond=0)
    ).seconds


def reporting_date(time: datetime | None, settings: dict) -> Any:
    if time is None:
        return None
    zone = ZoneInfo(settings["reporting_timezone"])
    return time.replace(tzinfo=UTC).astimezone(zone).date()


def hash_number(value: str) -> int:
    """What sorts events of one time: half of the MD5 of their id."""
    return int(hashlib.md5(value.encode()).hexdigest()[16:], 16)


def surrogate_key(*parts: Any) -> str:
    """A key of the tables, as dbt_utils makes it."""
    texts = [
        "_dbt_utils_surrogate_key_null_" if part is None else str(part)
        for part in parts
    ]
    return hashlib.md5("-".join(texts).encode()).hexdigest()


def md5(value: str | None) -> str | None:
    return None if value is None else hashlib.md5(value.encode()).hexdigest()


@cache
def like(value: str | None, pattern: str) -> bool:
    """SQL's `ilike`: % stands for any text, _ for any character."""
    parts = [{"%": ".*", "_": "."}.get(one, re.escape(one)) for one in pattern]
    return bool(re.fullmatch("".join(parts), value or "", re.IGNORECASE | re.DOTALL))


def seed(name: str, folder: Path = SEEDS) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open() as lines:
        return list(csv.DictReader(lines))


def upload_hours(ledger: Iterable[LedgerLine]) -> dict[tuple, LedgerLine]:
    """The newest line of each project's upload hours.

    Before its first file a project is known by its API key only.
    """
    ledger = list(ledger)
    projects: dict[str, str] = {}
    for line in ledger:
        if line.project_id is not None:
            known = projects.get(line.api_key_id, line.project_id)
            projects[line.api_key_id] = max(known, line.project_id)
    found: dict[tuple, LedgerLine] = {}
    for line in sorted(ledger, key=lambda one: (*one.rank, one.line_id)):
        project_id = line.project_id or projects.get(line.api_key_id, "unknown")
        found[project_id, line.hour] = line
    return found


def current_files(ledger: Iterable[LedgerLine]) -> dict[tuple, set[str]]:
    """The files of the newest export with any, by project and hour."""
    found: dict[tuple, tuple] = {}
    for line in ledger:
        if line.files:
            hour = (line.project_id, line.hour)
            newest, files = found.get(hour, (line.rank, set()))
            if line.rank > newest:
                newest, files = line.rank, set()
            if line.rank == newest:
                files |= set(line.files)
            found[hour] = (newest, files)
    return {hour: files for hour, (_, files) in found.items()}


def removal_reasons(
    rows: list[dict], ledger: list[LedgerLine], settings: dict
) -> dict[str, str]:
    """Why a landed row is not an event of its own, by its id."""
    reasons: dict[str, str] = {}
    current = current_files(ledger)
    for row in rows:
        hour = (row["file"].project_id, row["file"].hour)
        # Files that no line names count until the ledger has files for their hour.
        if row["file"].key not in current.get(hour, {row["file"].key}):
            reasons[row["landed_row_id"]] = "older_export"
        elif not row["is_parsed"]:
            reasons[row["landed_row_id"]] = "not_json"

    def left() -> list[dict]:
        found = [row for row in rows if row["landed_row_id"] not in reasons]
        return sorted(
            found, key=lambda row: (row["uploaded_at"] or NO_TIME, row["landed_row_id"])
        )

    seen = set()
    for row in left():
        key: tuple = (row["project_id"], row["uuid"])
        if row["uuid"] and key in seen:
            reasons[row["landed_row_id"]] = "same_uuid"
        seen.add(key)

    limit = settings["duplicate_window_days"]
    last: dict[tuple, datetime | None] = {}
    for row in sorted(
        left(), key=lambda row: (row["uploaded_at"] or NO_TIME, row["event_id"])
    ):
        if not row["insert_id"]:
            continue
        key = (row["project_id"], row["device_id"], row["insert_id"])
        uploaded_at = row["uploaded_at"]
        if key in last:
            previous = last[key]
            is_far = (
                limit is not None
                and previous is not None
                and uploaded_at is not None
                and seconds(previous, uploaded_at) > limit * 86400
            )
            if not is_far:
                reasons[row["landed_row_id"]] = "same_insert_id"
        last[key] = uploaded_at
    return reasons


def merged_ids(merges: Iterable[tuple], project_id: str) -> dict[str, str]:
    """Into which id each was merged, along the whole chain; none if it is a circle."""
    last: dict[str, str] = {}
    for project, merged, target in merges:
        merged, target = str(merged), str(target)
        if project != project_id:
            continue
        if merged != target and (merged not in last or target < last[merged]):
            last[merged] = target
    found = {}
    for start in last:
        at, passed = start, set()
        while at in last and at not in passed:
            passed.add(at)
            at = last[at]
        found[start] = start if at in passed else at
    return found


def identities(
    rows: list[dict], merges: Iterable[tuple], settings: dict
) -> dict[tuple[str, str], str]:
    """The user that an Amplitude id belongs to, by project and id."""
    merges = list(merges)
    # When a user was seen on a device, and when with a user id.
    seen: dict[tuple, list] = defaultdict(list)
    identified: dict[tuple, list] = defaultdict(list)
    users: dict[tuple, str] = {}
    merged: dict[str, dict] = {}
    for row in rows:
        if row["amplitude_id"] is None:
            continue
        project_id = row["project_id"]
        if project_id not in merged:
            merged[project_id] = (
                merged_ids(merges, project_id) if settings["use_merges"] else {}
            )
        user = merged[project_id].get(row["amplitude_id"], row["amplitude_id"])
        users[project_id, row["amplitude_id"]] = user
        time = row["occurred_at"] or row["uploaded_at"] or EPOCH
        seen[project_id, user, row["device_id"]].append(time)
        if row["amplitude_user_id"]:
            identified[project_id, user, row["device_id"]].append(time)
    known = {(project_id, user) for project_id, user, _ in identified}
    by_device: dict[tuple, list] = defaultdict(list)
    for (project_id, user, device_id), times in identified.items():
        by_device[project_id, device_id].append((min(times), max(times), user))

    found: dict[tuple, str] = {}
    candidates: dict[tuple, list] = defaultdict(list)
    for (project_id, user, device_id), times in seen.items():
        if (project_id, user) in known or device_id is None:
            continue
        for first, last, owner in by_device[project_id, device_id]:
            if min(times) <= last:
                candidates[project_id, user].append(
                    (max(min(times), first), first, owner)
                )
    for (project_id, amplitude_id), user in users.items():
        owners = candidates.get((project_id, user))
        if owners and settings["stitch_anonymous_users"]:
            user = min(owners)[2]
        found[project_id, amplitude_id] = user
    return found


def events(
    rows: list[dict], ledger: list[LedgerLine], merges: Iterable[tuple], settings: dict
) -> list[dict]:
    """Events as Amplitude counts them, of all users."""
    reasons = removal_reasons(rows, ledger, settings)
    owners = identities(rows, merges, settings)
    rules = [*seed("traffic_rules", settings["seeds"]), *settings["traffic_rules"]]
    projects = settings["projects"]
    found = []
    for row in rows:
        if row["landed_row_id"] in reasons:
            continue
        if projects and row["project_id"] not in projects:
            continue
        event = dict(row)
        event["user_id"] = owners.get(
            (row["project_id"], row["amplitude_id"]), row["unmerged_user_id"]
        )
        event["is_activity"] = row["event_type"] not in settings["inactive_event_types"]
        event["session"] = session_of(event)
        event["session_id"] = session_id(event["session"])
        event["project_user_id"] = project_user_id(row["project_id"], event["user_id"])
        for kind in ("bot", "internal"):
            event[f"is_{kind}"] = any(
                row[rule["field"]] is not None
                and like(row[rule["field"]], rule["pattern"])
                for rule in rules
                if rule["kind"] == kind
            )
        event["event_date"] = reporting_date(row["occurred_at"], settings)
        event["occurred_date"] = row["occurred_at"] and row["occurred_at"].date()
        event["uploaded_date"] = row["uploaded_at"] and row["uploaded_at"].date()
        if row["revenue"] is None and row["price"] is not None:
            one = 1 if row["quantity"] is None else row["quantity"]
            event["revenue"] = row["price"] * one
        event["happened_at"] = row["client_occurred_at"] or row["occurred_at"]
        number = hash_number(row["event_id"])
        event["session_order"] = (event["happened_at"] or NO_TIME, number)
        event["life_order"] = (row["occurred_at"] or NO_TIME, number)
        found.append(event)
    count_purchases_once(found)
    for event in found:
        protect(event, settings)
    return found


def protect(event: dict, settings: dict) -> None:
    """Leave out of an event, or hash, what `personal_columns` names."""
    for name, rule in settings["personal_columns"].items():
        column, _, key = name.partition(".")
        if not key:
            event[column] = salted_hash(event[column]) if rule == "hash" else None
        elif not isinstance(event[column], dict):
            event[column] = None
        elif event[column].get(key) is not None:
            rest = dict(event[column])
            value = rest.pop(key)
            hashed = {key: salted_hash(as_text(value))} if rule == "hash" else {}
            event[column] = rest | hashed


def as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def salted_hash(value: str | None) -> str | None:
    salted = f"{HASH_SALT}{value}".encode()
    return None if value is None else hashlib.sha256(salted).hexdigest()


def count_purchases_once(events: list[dict]) -> None:
    """Take the revenue from events whose purchase another event counts."""
    offers = defaultdict(list)
    for event in events:
        if event["revenue"] is None or event["event_type"] not in REVENUE_EVENTS:
            continue
        buyer = event["device_id"] or ("user", event["unmerged_user_id"])
        traffic = (event["is_bot"], event["is_internal"])
        offers[event["project_id"], traffic, buyer, event["product_id"]].append(event)
    for offer in offers.values():
        offer.sort(
            key=lambda event: (
                event["happened_at"] or NO_TIME,
                event["project_event_id"],
            )
        )
        moments: list[list[dict]] = []
        for event in offer:
            at = event["happened_at"]
            if moments and at and at - moments[-1][-1]["happened_at"] <= SECOND:
                moments[-1].append(event)
            else:
                moments.append([event])
        for moment in moments:
            for purchase in zip_longest(*sides(moment)):
                sent = [event for event in purchase if event]
                for companion in sent[1:]:
                    companion["revenue"] = None


def sides(moment: list[dict]) -> list[list[dict]]:
    """The events by kind, those first for which a better kind has the same amount."""
    amounts: list[Counter] = [Counter() for _ in REVENUE_EVENTS]
    found = []
    for rank, kind in enumerate(REVENUE_EVENTS):
        own: list = []
        others: list = []
        for event in moment:
            if event["event_type"] == kind:
                amount = round(event["revenue"], 9)
                amounts[rank][amount] += 1
                better = sum(counter[amount] for counter in amounts[:rank])
                (own if amounts[rank][amount] <= better else others).append(event)
        found.append(own + others)
    return found


def session_of(event: dict) -> tuple | None:
    """Project, user and Amplitude's number of the session."""
    if event["user_id"] is None or event["amplitude_session_id"] is None:
        return None
    if not event["is_activity"]:
        return None
    return event["project_id"], event["user_id"], event["amplitude_session_id"]


def session_id(session: tuple | None) -> str | None:
    if session is None:
        return None
    project_id, user_id, amplitude_session_id = session
    return surrogate_key(project_id, md5(user_id), amplitude_session_id)


def project_user_id(project_id: str, user_id: str | None) -> str:
    return surrogate_key(project_id, md5(user_id))


def counted(found: list[dict], settings: dict) -> list[dict]:
    """Events without excluded traffic."""
    left_out = [f"is_{kind}" for kind in settings["excluded_traffic"]]
    return [event for event in found if not any(event[name] for name in left_out)]
