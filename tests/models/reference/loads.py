"""What was exported, what landed, what became of it, and how late it came."""

import gzip
import json
from collections import Counter
from datetime import datetime, timedelta

from sandbox.amplitude.export_api import EXPORT_DIR

from .landed import LedgerLine
from .people import grouped
from .staged import seconds

HOUR = timedelta(hours=1)
DELAYS = [
    (3600, "under 1 hour"),
    (86400, "1 hour to 1 day"),
    (7 * 86400, "1 to 7 days"),
    (30 * 86400, "7 to 30 days"),
]
REASONS = ["older_export", "not_json", "same_uuid", "same_insert_id"]


def delay(event: dict) -> tuple[int | None, str]:
    if not event["occurred_at"] or not event["uploaded_at"]:
        return None, "unknown"
    late = seconds(event["occurred_at"], event["uploaded_at"])
    for number, (limit, words) in enumerate(DELAYS, 1):
        if late < limit:
            return number, words
    return 5, "30 days and more"


def lateness(counted: list[dict]) -> list[dict]:
    by_session = grouped(counted, lambda event: event["session"])
    first_uploads = {
        session: min(
            (event["uploaded_date"] for event in own if event["uploaded_date"]),
            default=None,
        )
        for session, own in by_session.items()
        if session
    }
    uploads = grouped(
        counted,
        lambda event: (event["project_id"], event["uploaded_date"], *delay(event)),
    )
    found = []
    for (project_id, uploaded_date, number, words), own in uploads.items():
        sessions = {event["session"] for event in own} - {None}
        changed = [
            session
            for session in sessions
            if uploaded_date and uploaded_date > first_uploads[session]
        ]
        found.append(
            {
                "project_id": project_id,
                "uploaded_date": uploaded_date,
                "delay_number": number,
                "delay": words,
                "event_count": len(own),
                "session_count": len(sessions),
                "changed_session_count": len(changed),
            }
        )
    return found


def load_audit(
    rows: list[dict],
    reasons: dict[str, str],
    hours: dict[tuple, LedgerLine],
    settings: dict,
) -> list[dict]:
    landed = grouped(rows, lambda row: (row["file"].project_id, row["file"].hour))
    found = []
    for key in landed.keys() | hours.keys():
        own, line = landed.get(key, []), hours.get(key)
        why = Counter(reasons.get(row["landed_row_id"]) for row in own)
        staged = [row for row in own if row["landed_row_id"] not in reasons]
        in_sessions = sum(
            row["amplitude_session_id"] is not None
            and row["unmerged_user_id"] is not None
            and row["event_type"] not in settings["inactive_event_types"]
            for row in staged
        )
        project_id, hour = key
        found.append(
            {
                "upload_hour_id": hour_id(project_id, hour),
                "project_id": project_id,
                "upload_hour_started_at": hour,
                "status": line and line.status,
                "is_settled": is_settled(key, line, settings),
                "exported_event_count": line and line.event_count,
                "is_emptied": bool(line and line.status == "empty" and own),
                "file_count": len({row["file"].key for row in own}),
                "landed_row_count": len(own),
                "session_event_count": in_sessions,
                "staged_event_count": len(staged),
                "outside_event_count": len(staged) - in_sessions,
            }
            | {f"{reason}_count": why[reason] for reason in REASONS}
        )
    settled: dict[str, list[datetime]] = {}
    for row in found:
        if row["is_settled"]:
            settled.setdefault(row["project_id"], []).append(
                row["upload_hour_started_at"]
            )
    known = {(row["project_id"], row["upload_hour_started_at"]) for row in found}
    for project_id, own in settled.items():
        hour = min(own)
        while hour < max(own):
            if (project_id, hour) not in known:
                found.append(missing_hour(project_id, hour))
            hour += HOUR
    return found


def hour_id(project_id: str, hour: datetime) -> str:
    return f"{project_id}/{hour:%Y-%m-%d %H:%M:%S}"


def missing_hour(project_id: str, hour: datetime) -> dict:
    """The row of an hour between two settled ones that nothing is known of."""
    counts = ["file", "landed_row", "session_event", "staged_event", "outside_event"]
    return {
        "upload_hour_id": hour_id(project_id, hour),
        "project_id": project_id,
        "upload_hour_started_at": hour,
        "status": "missing",
        "is_settled": False,
        "exported_event_count": None,
        "is_emptied": False,
    } | {f"{name}_count": 0 for name in counts + REASONS}


def is_settled(key: tuple, line: LedgerLine | None, settings: dict) -> bool:
    if line is None:
        return False
    accepted = settings["too_large_hours_accepted"]
    return line.status in ("landed", "empty") or hour_id(*key) in accepted


# An event with all that Amplitude documents of one.
with gzip.open(next(EXPORT_DIR.glob("*/*.json.gz"))) as sample:
    DOCUMENTED = set(json.loads(sample.readline()))


def load_drift(rows: list[dict], settings: dict) -> list[dict]:
    landed = grouped(
        [
            row
            for row in rows
            if row["is_parsed"]
            and (not settings["projects"] or row["project_id"] in settings["projects"])
        ],
        lambda row: (row["project_id"], row["file"].hour.date()),
    )
    found = []
    for (project_id, day), own in landed.items():
        counts = {
            "unparsed_row": sum(row["has_unparsed_field"] for row in own),
            "no_event_time": sum(row["occurred_at"] is None for row in own),
            "no_amplitude_id": sum(row["amplitude_id"] is None for row in own),
            "no_session_id": sum(not row["has_session_id"] for row in own),
        }
        new = {",".join(sorted(row["keys"] - DOCUMENTED)) for row in own} - {""}
        missing = set.intersection(*(DOCUMENTED - row["keys"] for row in own))
        drifts = [
            name
            for name, count in counts.items()
            if count > settings["drift_rows_allowed"]
            and count > settings["drift_share_allowed"] * len(own)
        ]
        found.append(
            {
                "project_id": project_id,
                "uploaded_date": day,
                "file_count": len({row["file"].key for row in own}),
                "row_count": len(own),
                "undocumented_keys": ";".join(sorted(new)) or None,
                "missing_keys": ",".join(sorted(missing)) or None,
                "drifts": ",".join(drifts) or None,
            }
            | {f"{name}_count": count for name, count in counts.items()}
            | {f"{name}_rate": count / len(own) for name, count in counts.items()}
        )
    return found


def settled_hours(
    hours: dict[tuple, LedgerLine], settings: dict
) -> dict[str, set[datetime]]:
    """Upload hours by project of which nothing more is expected."""
    keys = {key for key, line in hours.items() if is_settled(key, line, settings)}
    return by_project(keys, settings)


def file_hours(rows: list[dict], settings: dict) -> dict[str, set[datetime]]:
    """Upload hours by project that have files."""
    keys = {(row["file"].project_id, row["file"].hour) for row in rows}
    return by_project(keys, settings)


def by_project(keys: set[tuple], settings: dict) -> dict[str, set[datetime]]:
    found: dict[str, set[datetime]] = {}
    for project_id, hour in keys:
        if not settings["projects"] or project_id in settings["projects"]:
            found.setdefault(project_id, set()).add(hour)
    return found
