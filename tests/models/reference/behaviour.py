"""What people do: funnels, journeys, pages and frustrations."""

import math
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from .calendar import Calendar
from .landed import text
from .people import (
    PAGE_VIEW,
    greatest,
    grouped,
    in_seconds,
    is_overlong,
    least,
    mean,
    median,
    page_of,
    rate,
)
from .staged import microseconds, project_user_id, reporting_date, session_id

SIGNS = {
    "[Amplitude] Rage Click": "rage_click_count",
    "[Amplitude] Dead Click": "dead_click_count",
    "[Amplitude] Error Click": "error_click_count",
    "[Amplitude] Thrashed Cursor": "thrashed_cursor_count",
    "[Amplitude] Element Clicked": "repeat_click_count",
}
CLICK = "[Amplitude] Element Clicked"
SECOND = timedelta(seconds=1)
Path = tuple[datetime, ...]


def in_order(events: list[dict]) -> list[dict]:
    return sorted(events, key=lambda event: event["session_order"])


def of_sessions(counted: list[dict]) -> dict[tuple, list[dict]]:
    in_sessions = [event for event in counted if event["session"]]
    return {
        key: in_order(own)
        for key, own in grouped(in_sessions, lambda event: event["session"]).items()
    }


def journeys(counted: list[dict], settings: dict) -> list[dict]:
    found = []
    for key, events in of_sessions(counted).items():
        steps: list[list[dict]] = []
        for event in events:
            if not event["is_activity"]:
                continue
            if steps and steps[-1][0]["event_type"] == event["event_type"]:
                steps[-1].append(event)
            else:
                steps.append([event])
        names = [step[0]["event_type"] or "(none)" for step in steps]
        for at, step in enumerate(steps):
            started_at = least(event["happened_at"] for event in step)
            ended_at = greatest(event["happened_at"] for event in step)
            next_at = (
                least(event["happened_at"] for event in steps[at + 1])
                if at + 1 < len(steps)
                else None
            )
            found.append(
                {
                    "project_id": key[0],
                    "project_user_id": project_user_id(*key[:2]),
                    "session_id": session_id(key),
                    "step_number": at + 1,
                    "event_type": names[at],
                    "event_count": len(step),
                    "occurrence_number": names[: at + 1].count(names[at]),
                    "path_from": " → ".join(names[at : at + 4]),
                    "path_to": " → ".join(names[max(at - 3, 0) : at + 1]),
                    "is_last": at + 1 == len(steps),
                    "seconds_to_next": in_seconds(microseconds(ended_at, next_at))
                    if ended_at and next_at
                    else None,
                    "started_date": reporting_date(started_at, settings),
                    "started_at": started_at,
                }
            )
    return found


def masked(text: str | None, settings: dict) -> str | None:
    """The text without the personal data that `masking_rules` describe."""
    if not text:
        return text
    for rule in settings["masking_rules"]:
        pattern = rule["pattern"].replace("[:space:]", r"\t\n\v\f\r ")
        text = re.sub(pattern, rule["mask"], text)
    return text


def masked_page_of(event: dict, settings: dict) -> tuple[str | None, str | None]:
    host, path = page_of(event)
    return masked(host, settings), masked(path, settings)


def frustrations(
    counted: list[dict], repeated: dict[tuple, list[dict]], settings: dict
) -> list[dict]:
    repeats = {
        event["landed_row_id"]
        for (_, event_type, _, _), events in repeated.items()
        for event in events
        if event_type == CLICK
    }
    signs = [
        event
        for event in counted
        if event["session"]
        and event["event_type"] in SIGNS
        and (event["event_type"] != CLICK or event["landed_row_id"] in repeats)
    ]
    found = []
    for key, events in grouped(
        signs,
        lambda event: (
            event["session"],
            event["event_date"],
            masked_page_of(event, settings),
            masked(event["element"], settings),
        ),
    ).items():
        session, event_date, (page_domain, page_path), element = key
        found.append(
            {
                "project_id": session[0],
                "project_user_id": project_user_id(*session[:2]),
                "session_id": session_id(session),
                "page_domain": page_domain,
                "page_path": page_path,
                "element": element,
                "frustrated_date": event_date,
                "first_occurred_at": least(event["occurred_at"] for event in events),
            }
            | {
                name: sum(event["event_type"] == event_type for event in events)
                for event_type, name in SIGNS.items()
            }
        )
    return found


def page_views(counted: list[dict], settings: dict) -> Iterator[dict]:
    """Every page view of a session, with its place and how long it lasted."""
    for session, events in of_sessions(counted).items():
        views = [event for event in events if event["event_type"] == PAGE_VIEW]
        pages_seen = {page_of(view) for view in views}
        started_at = least(event["happened_at"] for event in events)
        ended_at = greatest(event["happened_at"] for event in events)
        length = microseconds(started_at, ended_at) if started_at else None
        for number, view in enumerate(views, 1):
            # In the order of the client's clock the next view is the earliest of them.
            later = least(event["happened_at"] for event in views[number:])
            left_at = ended_at if later is None else later
            yield {
                "project_id": session[0],
                "session": session,
                "viewed_date": view["event_date"],
                "page": masked_page_of(view, settings),
                "is_entry": number == 1,
                "is_exit": number == len(views),
                "is_bounce": number == 1 and len(pages_seen) == 1,
                "duration": microseconds(view["happened_at"], left_at)
                if view["happened_at"] and left_at and not is_overlong(length, settings)
                else None,
            }


def pages(counted: list[dict], frustrated: list[dict], settings: dict) -> list[dict]:
    signs = {
        (
            row["session_id"],
            row["frustrated_date"],
            (row["page_domain"], row["page_path"]),
        )
        for row in frustrated
    }
    found = []
    for (project_id, viewed_date, page), views in grouped(
        page_views(counted, settings),
        lambda view: (view["project_id"], view["viewed_date"], view["page"]),
    ).items():
        sessions = {view["session"] for view in views}
        trouble = sum(
            (session_id(session), viewed_date, page) in signs for session in sessions
        )
        entries = sum(view["is_entry"] for view in views)
        exits = sum(view["is_exit"] for view in views)
        bounces = sum(view["is_bounce"] for view in views)
        durations = [view["duration"] for view in views if view["duration"] is not None]
        found.append(
            {
                "project_id": project_id,
                "page_domain": page[0],
                "page_path": page[1],
                "view_count": len(views),
                "visitor_count": len({session[1] for session in sessions}),
                "session_count": len(sessions),
                "entry_count": entries,
                "exit_count": exits,
                "bounce_count": bounces,
                "frustrated_session_count": trouble,
                "exit_rate": exits / len(sessions),
                "bounce_rate": rate(bounces, entries),
                "frustrated_session_rate": trouble / len(sessions),
                "average_seconds": in_seconds(mean(durations)),
                "median_seconds": in_seconds(median(durations)),
                "viewed_date": viewed_date,
            }
        )
    return found


def as_texts(values: Any) -> set[str]:
    values = values if isinstance(values, list) else [values]
    return {str(value) for value in values}


def is_step(event: dict, step: dict) -> bool:
    properties = event["event_properties"]
    properties = properties if isinstance(properties, dict) else {}
    return (
        event["event_type"] in as_texts(step["event_type"])
        and all(
            event[column] in as_texts(values)
            for column, values in (step.get("where") or {}).items()
        )
        and all(
            text(properties.get(key)) in as_texts(values)
            for key, values in (step.get("properties") or {}).items()
        )
    )


def moments_of(events: list[dict], steps: list[dict]) -> list[tuple]:
    """In which second each event is, and which steps it is.

    Events that are the same steps in the same second are one event.
    """
    found = {
        (
            event["occurred_at"].replace(microsecond=0),
            frozenset(at for at, step in enumerate(steps) if is_step(event, step)),
        )
        for event in events
    }
    return sorted(
        (one for one in found if one[1]), key=lambda one: (one[0], sorted(one[1]))
    )


def ordered_path(moments: list[tuple], start: int, step_count: int) -> Path:
    """The path from an event that goes furthest, of these the earliest."""

    def follow(done: list[int]) -> Path:
        best: Path = tuple(moments[one][0] for one in done)
        possible = [
            at
            for at, (time, steps) in enumerate(moments)
            if len(done) in steps and time >= best[-1] and at not in done
        ]
        # A later second leaves fewer events for what follows.
        times = [moments[at][0] for at in possible]
        for at in possible:
            if moments[at][0] == min(times):
                best = min(best, follow([*done, at]), key=furthest)
        return best

    return follow([start])[:step_count] if 0 in moments[start][1] else ()


def any_order_path(moments: list[tuple], start: int, step_count: int) -> Path:
    """When steps 1 to N are done since the start, each by an event of its own."""
    since = [one for one in moments if one[0] >= moments[start][0]]

    def can_do(steps: list[int], events: list[tuple]) -> bool:
        return not steps or any(
            steps[0] in event[1] and can_do(steps[1:], events[:at] + events[at + 1 :])
            for at, event in enumerate(events)
        )

    path = []
    for count in range(1, step_count + 1):
        for time in sorted({time for time, _ in since}):
            if can_do(list(range(count)), [one for one in since if one[0] <= time]):
                path.append(time)
                break
        else:
            break
    return tuple(path)


def furthest(path: Path) -> tuple:
    """What sorts the path first that has most steps, of several the earliest."""
    return -len(path), path


def funnels(
    calendars: dict[str, Calendar], counted: list[dict], settings: dict
) -> list[dict]:
    found: list[dict] = []
    by_user = grouped(
        (event for event in counted if event["user_id"] and event["occurred_at"]),
        lambda event: (event["project_id"], event["user_id"]),
    )
    for name, funnel in settings["funnels"].items():
        window = timedelta(hours=funnel["window_hours"]) // SECOND * SECOND
        search = ordered_path if funnel["order"] == "this" else any_order_path
        days: dict[tuple, list[Path]] = {}
        for (project_id, _), own in by_user.items():
            moments = moments_of(own, funnel["steps"])
            best: dict[Any, Path] = {}
            for start, (began_at, _) in enumerate(moments):
                within = [one for one in moments if one[0] - began_at <= window]
                path = search(within, start, len(funnel["steps"]))
                if path:
                    day = reporting_date(path[0], settings)
                    best[day] = min(best.get(day, path), path, key=furthest)
            for day, path in best.items():
                days.setdefault((project_id, day), []).append(path)
        for (project_id, day), paths in days.items():
            if project_id in calendars:
                found += funnel_rows(calendars[project_id], name, funnel, day, paths)
    return found


def funnel_rows(
    calendar: Calendar, name: str, funnel: dict, day: Any, paths: list[Path]
) -> Iterator[dict]:
    window_days = math.ceil(funnel["window_hours"] / 24)
    previous_count = len(paths)
    for number, step in enumerate(funnel["steps"], 1):
        reached = [path for path in paths if len(path) >= number]
        times = [
            [(path[number - 1] - path[since]) // SECOND for path in reached]
            for since in (max(number - 2, 0), 0)
        ]
        is_timed = number > 1 and reached
        yield {
            "project_id": calendar.project_id,
            "funnel": name,
            "step_number": number,
            "step": step["name"],
            "user_count": len(reached),
            "previous_user_count": previous_count,
            "entered_user_count": len(paths),
            "conversion_rate": len(reached) / len(paths),
            "step_conversion_rate": rate(len(reached), previous_count),
            "median_seconds": float(median(times[0])) if is_timed else None,
            "average_seconds": sum(times[0]) / len(times[0]) if is_timed else None,
            "median_total_seconds": float(median(times[1])) if is_timed else None,
            "is_mature": day <= calendar.last_loaded_date
            and calendar.is_whole(day, day + timedelta(days=window_days)),
            "entered_date": day,
        }
        previous_count = len(reached)
