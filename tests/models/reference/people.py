"""Events, sessions, users, days and repeated interactions."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

from .staged import (
    NO_TIME,
    hash_number,
    microseconds,
    project_user_id,
    reporting_date,
    session_id,
)

PAGE_VIEW = "[Amplitude] Page Viewed"
EVENT_COLUMNS = [
    "project_event_id",
    "event_id",
    "project_id",
    "user_id",
    "project_user_id",
    "session_id",
    "amplitude_id",
    "amplitude_user_id",
    "amplitude_session_id",
    "device_id",
    "device_event_number",
    "insert_id",
    "event_type",
    "element",
    "page_url",
    "page_path",
    "page_title",
    "page_domain",
    "referrer",
    "referring_domain",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "click_id_parameter",
    "product_id",
    "revenue_type",
    "client_library",
    "platform",
    "os_name",
    "os_version",
    "app_version",
    "first_app_version",
    "device_type",
    "device_family",
    "device_brand",
    "device_manufacturer",
    "device_model",
    "device_carrier",
    "device_language",
    "ip_address",
    "country",
    "region",
    "city",
    "designated_market_area",
    "latitude",
    "longitude",
    "price",
    "quantity",
    "revenue",
    "is_activity",
    "is_paying",
    "is_bot",
    "is_internal",
    "event_date",
    "occurred_date",
    "uploaded_date",
    "occurred_at",
    "client_occurred_at",
    "client_uploaded_at",
    "received_at",
    "uploaded_at",
    "event_properties",
    "user_properties",
    "group_properties",
    "user_groups",
]
DEVICE_COLUMNS = [
    "device_id",
    "platform",
    "device_type",
    "device_family",
    "os_name",
    "os_version",
    "app_version",
    "device_language",
    "country",
    "region",
    "city",
]
CAMPAIGN = [
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "click_id_parameter",
]
REFERRER = ["referrer", "referring_domain"]
SOURCE = REFERRER + CAMPAIGN
PAGE = ["page_url", "page_path", "page_title"]


def grouped(rows: Iterable[dict], key: Callable[[dict], object]) -> dict:
    found = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def first(rows: Iterable[dict], order: str) -> dict:
    return min(rows, key=lambda row: row[order], default={})


def last(rows: Iterable[dict], order: str) -> dict:
    return max(rows, key=lambda row: row[order], default={})


def least(values: Iterable, default: Any = None) -> Any:
    return min((value for value in values if value is not None), default=default)


def greatest(values: Iterable) -> Any:
    return max((value for value in values if value is not None), default=None)


def median(values: list[int]) -> Any:
    values = sorted(values)
    half = len(values) // 2
    if not values:
        return None
    if len(values) % 2:
        return Fraction(values[half])
    return Fraction(values[half - 1] + values[half], 2)


def mean(values: list[int]) -> Fraction | None:
    return Fraction(sum(values), len(values)) if values else None


def in_seconds(duration: int | Fraction | None) -> float | None:
    """Of microseconds."""
    return None if duration is None else float(Fraction(duration) / 1_000_000)


def rate(part: float, whole: float | None) -> float | None:
    return part / whole if whole else None


def events_mart(found: list[dict]) -> list[dict]:
    return [{name: event[name] for name in EVENT_COLUMNS} for event in found]


def page_of(event: dict) -> tuple[str | None, str | None]:
    """Host and path; where the SDK sends none, those of the address."""
    host = path = None
    if event["page_url"] is not None:
        address = re.split(r"[?#]", event["page_url"], maxsplit=1)[0]
        address = re.sub(r"^[^/]*//", "", address)
        host, _, path = address.partition("/")
        host = host.rpartition("@")[2]
        path = f"/{path}"
    return (
        host if event["page_domain"] is None else event["page_domain"],
        path if event["page_path"] is None else event["page_path"],
    )


def is_of_another_site(event: dict) -> bool:
    host, _ = page_of(event)
    return event["referrer"] is not None and (event["referring_domain"] or "") != (
        host or ""
    )


def sessions(counted: list[dict], settings: dict) -> list[dict]:
    of_sessions = grouped(
        (event for event in counted if event["session"]),
        lambda event: event["session"],
    )
    found = [session(key, own, settings) for key, own in of_sessions.items()]
    for own in grouped(found, lambda row: row["project_user_id"]).values():
        own.sort(
            key=lambda row: (row["started_at"] or NO_TIME, row["amplitude_session_id"])
        )
        previous = None
        for number, row in enumerate(own, 1):
            ended_at: Any = previous and previous["ended_at"]
            pause: int | None = (
                microseconds(ended_at, row["started_at"])
                if ended_at and row["started_at"]
                else None
            )
            row["session_number"] = number
            row["is_first_session"] = number == 1
            row["previous_ended_at"] = ended_at
            row["seconds_since_previous_session"] = in_seconds(pause)
            row["pause"] = pause
            previous = row
    return found


def session(key: tuple, events: list[dict], settings: dict) -> dict:
    project_id, user_id, amplitude_session_id = key
    views = [event for event in events if event["event_type"] == PAGE_VIEW]
    referred = first(filter(is_of_another_site, events), "session_order")
    campaign = first(
        (event for event in events if any(event[name] for name in CAMPAIGN)),
        "session_order",
    )
    opening = first(events, "session_order")
    entry, leaving = first(views, "session_order"), last(views, "session_order")
    known = last(
        (event for event in events if event["amplitude_user_id"]), "life_order"
    )
    started_at = least(event["happened_at"] for event in events)
    ended_at = greatest(event["happened_at"] for event in events)
    duration = microseconds(started_at, ended_at) if started_at else None
    return (
        {
            "session_id": session_id(key),
            "project_id": project_id,
            "user_id": user_id,
            "project_user_id": project_user_id(project_id, user_id),
            "amplitude_session_id": amplitude_session_id,
            "amplitude_user_id": known.get("amplitude_user_id"),
            "event_count": len(events),
            "page_view_count": len(views),
            "duration": duration,
            "duration_seconds": in_seconds(duration),
            "is_bounced": len({page_of(view) for view in views}) == 1,
            "is_overlong": is_overlong(duration, settings),
            "started_date": reporting_date(started_at, settings),
            "started_at": started_at,
            "ended_at": ended_at,
            "first_occurred_at": least(event["occurred_at"] for event in events),
            "last_occurred_at": greatest(event["occurred_at"] for event in events),
        }
        | {name: opening[name] for name in DEVICE_COLUMNS}
        | {f"entry_{name}": entry.get(name) for name in PAGE}
        | {f"exit_{name}": leaving.get(name) for name in PAGE}
        | {name: referred.get(name) for name in REFERRER}
        | {name: campaign.get(name) for name in CAMPAIGN}
    )


def is_overlong(duration: int | None, settings: dict) -> bool:
    longest = settings["longest_session_hours"] * 3_600_000_000
    return duration is not None and duration > longest


def users(counted: list[dict], found: list[dict], settings: dict) -> list[dict]:
    """Of their events, and of the sessions that were found."""
    of_users = grouped(
        (event for event in counted if event["user_id"] is not None),
        lambda event: (event["project_id"], event["user_id"]),
    )
    their_sessions = grouped(found, lambda row: (row["project_id"], row["user_id"]))
    return [
        user(key, own, their_sessions.get(key, []), settings)
        for key, own in of_users.items()
    ]


def user(
    key: tuple, events: list[dict], own_sessions: list[dict], settings: dict
) -> dict:
    project_id, user_id = key
    latest = last(events, "life_order")
    described = last(
        (event for event in events if event["user_properties"] is not None),
        "life_order",
    )
    known = last(
        (event for event in events if event["amplitude_user_id"]), "life_order"
    )
    # Of several event types at the first time, one by the hash of its name.
    opening = min(
        events,
        key=lambda event: (
            event["occurred_at"] or NO_TIME,
            hash_number(event["event_type"] or ""),
        ),
    )
    first_seen_at = least(event["occurred_at"] for event in events)
    last_seen_at = greatest(event["occurred_at"] for event in events)
    touches = [row for row in own_sessions if any(row[name] for name in SOURCE)]
    durations = [
        row["duration"]
        for row in own_sessions
        if row["duration"] is not None and not row["is_overlong"]
    ]
    pauses = [row["pause"] for row in own_sessions if row["pause"] is not None]
    active_days = {
        event["event_date"]
        for event in events
        if event["is_activity"] and event["event_date"]
    }
    return (
        {
            "project_user_id": project_user_id(project_id, user_id),
            "project_id": project_id,
            "user_id": user_id,
            "amplitude_user_id": known.get("amplitude_user_id"),
            "first_event_type": opening["event_type"],
            "event_count": len(events),
            "page_view_count": sum(
                event["event_type"] == PAGE_VIEW for event in events
            ),
            "active_day_count": len(active_days),
            "session_count": len(own_sessions),
            "average_session_seconds": in_seconds(mean(durations)),
            "average_seconds_between_sessions": in_seconds(mean(pauses)),
            "is_identified": bool(known),
            "first_seen_date": reporting_date(first_seen_at, settings),
            "last_seen_date": reporting_date(last_seen_at, settings),
            "first_seen_at": first_seen_at,
            "last_seen_at": last_seen_at,
            "first_session_started_at": least(
                row["started_at"] for row in own_sessions
            ),
            "last_session_started_at": greatest(
                row["started_at"] for row in own_sessions
            ),
            "user_properties": described.get("user_properties"),
        }
        | {f"last_{name}": latest[name] for name in DEVICE_COLUMNS}
        | {
            f"first_touch_{name}": first(touches, "session_number").get(name)
            for name in SOURCE
        }
        | {
            f"last_touch_{name}": last(touches, "session_number").get(name)
            for name in SOURCE
        }
    )


def daily_performance(counted: list[dict], people: list[dict]) -> list[dict]:
    known = {(row["project_id"], row["user_id"]): row for row in people}
    days = grouped(
        counted,
        lambda event: (event["project_id"], event["event_date"], event["event_type"]),
    )
    found = []
    for (project_id, event_date, event_type), own in days.items():
        names = {event["user_id"] for event in own} - {None}
        on_first_day = [
            row
            for row in (known[project_id, name] for name in names)
            if row["first_seen_date"] == event_date
        ]
        found.append(
            {
                "project_id": project_id,
                "event_date": event_date,
                "event_type": event_type,
                "event_count": len(own),
                "user_count": len(names),
                "new_user_count": sum(
                    row["first_event_type"] == event_type for row in on_first_day
                ),
                "first_day_user_count": len(on_first_day),
                "session_count": len({event["session"] for event in own} - {None}),
                "is_activity": own[0]["is_activity"],
            }
        )
    return found


def interactions(counted: list[dict]) -> dict[tuple, list[dict]]:
    """Events of one kind on one element of one page, more than two in a session."""
    groups = grouped(
        (event for event in counted if event["session"]),
        lambda event: (
            event["session"],
            event["event_type"],
            event["element"],
            event["page_url"],
        ),
    )
    return {key: own for key, own in groups.items() if len(own) > 2}


def repeat_clicks(repeated: dict[tuple, list[dict]]) -> list[dict]:
    found = []
    for (key, event_type, element, page_url), own in repeated.items():
        times = sorted(event["occurred_at"] for event in own if event["occurred_at"])
        gaps = [microseconds(one, other) for one, other in pairwise(times)]
        found.append(
            {
                "project_id": key[0],
                "user_id": key[1],
                "session_id": session_id(key),
                "event_type": event_type,
                "element": element,
                "page_url": page_url,
                "event_count": len(own),
                "average_gap_seconds": in_seconds(mean(gaps)),
                "minimum_gap_seconds": in_seconds(least(gaps)),
                "median_gap_seconds": in_seconds(median(gaps)),
                "duration_seconds": in_seconds(sum(gaps)) if times else None,
                "first_occurred_at": least(times),
                "last_occurred_at": greatest(times),
            }
        )
    return found


def start_of(period: str, day: Any) -> Any:
    """First day of the day's week (from Monday) or month."""
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day
