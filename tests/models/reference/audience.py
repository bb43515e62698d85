"""How many are active, how often, and who comes back, comes and goes."""

from collections import Counter
from datetime import timedelta
from typing import Any

from .calendar import PERIODS, Calendar
from .people import grouped, rate

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
LENGTHS = {"day": 1, "week": 7, "month": 30}


def active_dates(counted: list[dict]) -> dict[tuple, set]:
    """The days on which each user, by project and id, was active."""
    found: dict[tuple, set] = {}
    for event in counted:
        if (
            event["user_id"] is not None
            and event["is_activity"]
            and event["event_date"]
        ):
            key = (event["project_id"], event["user_id"])
            found.setdefault(key, set()).add(event["event_date"])
    return found


def of_project(found: dict[tuple, set], project_id: str) -> dict[str, set]:
    return {
        user: days for (project, user), days in found.items() if project == project_id
    }


def active_users(
    calendars: dict[str, Calendar], people: list[dict], days: dict[tuple, set]
) -> list[dict]:
    found = []
    for project_id, calendar in calendars.items():
        of_users = of_project(days, project_id)
        new = Counter(
            calendar.row_of("day", row["first_seen_date"])
            for row in people
            if row["project_id"] == project_id and row["first_seen_date"]
        )

        def active(day: Any, length: int) -> int:
            window = {day - at * DAY for at in range(length)}
            return sum(bool(own & window) for own in of_users.values())  # noqa: B023

        for period in calendar.periods["day"]:
            day = period.start
            daily, weekly, monthly = (active(day, length) for length in (1, 7, 30))
            if period.is_before:
                daily = sum(min(own) <= day for own in of_users.values())
                weekly = monthly = None  # type: ignore[assignment]
            found.append(
                {
                    "project_id": project_id,
                    "active_date": day,
                    "daily_active_user_count": daily,
                    "weekly_active_user_count": weekly,
                    "monthly_active_user_count": monthly,
                    "new_user_count": new[day],
                    "daily_weekly_rate": rate(daily, weekly),
                    "daily_monthly_rate": rate(daily, monthly),
                    "is_before_calendar": period.is_before,
                    "is_complete": period.is_complete,
                    "has_whole_week": not period.is_before
                    and calendar.is_whole(day - 6 * DAY, day),
                    "has_whole_month": not period.is_before
                    and calendar.is_whole(day - 29 * DAY, day),
                }
            )
    return found


def stickiness(calendars: dict[str, Calendar], days: dict[tuple, set]) -> list[dict]:
    found = []
    for project_id, calendar in calendars.items():
        of_users = of_project(days, project_id)
        for kind in ("week", "month"):
            for period in calendar.real(kind):
                counts = [
                    sum(period.start <= day <= period.end for day in own)
                    for own in of_users.values()
                ]
                active = sum(count > 0 for count in counts)
                for number in range(1, (period.end - period.start).days + 2):
                    exact = sum(count == number for count in counts)
                    cumulative = sum(count >= number for count in counts)
                    found.append(
                        {
                            "project_id": project_id,
                            "period": kind,
                            "period_started_date": period.start,
                            "active_day_number": number,
                            "exact_user_count": exact,
                            "cumulative_user_count": cumulative,
                            "active_user_count": active,
                            "exact_rate": rate(exact, active),
                            "cumulative_rate": rate(cumulative, active),
                            "is_complete": period.is_complete,
                        }
                    )
    return found


def retention(
    calendars: dict[str, Calendar],
    people: list[dict],
    days: dict[tuple, set],
    counted: list[dict],
    settings: dict,
) -> list[dict]:
    active_hours: dict[tuple, set] = {}
    for event in counted:
        if (
            event["user_id"] is not None
            and event["is_activity"]
            and event["occurred_at"]
        ):
            key = (event["project_id"], event["user_id"])
            hour = event["occurred_at"].replace(minute=0, second=0, microsecond=0)
            active_hours.setdefault(key, set()).add(hour)
    found = []
    for project_id, calendar in calendars.items():
        newcomers = [
            row
            for row in people
            if row["project_id"] == project_id
            and row["first_seen_at"]
            and row["first_seen_date"] <= calendar.last_loaded_date
        ]
        for kind in PERIODS:
            cohorts = grouped(
                newcomers,
                lambda row: calendar.row_of(kind, row["first_seen_date"]),  # noqa: B023
            )
            by_start = calendar.numbers(kind)
            for start, cohort in cohorts.items():
                own = by_start.get(start)
                if own is None:
                    continue
                calendar_returns, rolling_returns = {}, {}
                for row in cohort:
                    key = (project_id, row["user_id"])
                    calendar_returns[key] = {
                        by_start[calendar.row_of(kind, day)].number - own.number
                        for day in days.get(key, ())
                        if calendar.row_of(kind, day) in by_start
                    }
                    if kind == "day":
                        first = row["first_seen_at"].replace(
                            minute=0, second=0, microsecond=0
                        )
                        rolling_returns[key] = {
                            (hour - first) // (24 * HOUR)
                            for hour in active_hours.get(key, ())
                        }
                    else:
                        rolling_returns[key] = {
                            (day - row["first_seen_date"]).days // LENGTHS[kind]
                            for day in days.get(key, ())
                        }
                    # What had not begun by the last loaded day is not counted.
                    base = min(start, row["first_seen_date"])
                    rolling_returns[key] = {
                        number
                        for number in rolling_returns[key]
                        if base + number * LENGTHS[kind] * DAY
                        <= calendar.last_loaded_date
                    }
                cells = [
                    (
                        "calendar",
                        calendar_returns,
                        later.number - own.number,
                        (later.end - own.end).days,
                    )
                    for later in calendar.periods[kind]
                    if later.number >= own.number and later.is_before == own.is_before
                ]
                length = LENGTHS[kind]
                number = 0
                while start + number * length * DAY <= calendar.last_loaded_date:
                    over = length * (number + 1) - (kind != "day")
                    cells.append(("rolling", rolling_returns, number, over))
                    number += 1
                last_number = settings["retention_days"] if kind == "day" else number
                for basis, returns, number, over in cells:
                    if number > (0 if own.is_before else last_number):
                        continue
                    on = sum(number in own_numbers for own_numbers in returns.values())
                    on_or_after = sum(
                        any(number <= one for one in own_numbers)
                        for own_numbers in returns.values()
                    )
                    found.append(
                        {
                            "project_id": project_id,
                            "basis": basis,
                            "period": kind,
                            "cohort_date": start,
                            "period_number": number,
                            "cohort_user_count": len(cohort),
                            "returned_user_count": on,
                            "returned_on_or_after_user_count": on_or_after,
                            "return_on_rate": on / len(cohort),
                            "return_on_or_after_rate": on_or_after / len(cohort),
                            "is_mature": not own.is_before
                            and calendar.is_whole(start, own.end + over * DAY),
                            "is_before_calendar": own.is_before,
                            "is_complete_cohort": own.is_complete,
                        }
                    )
    return found


def lifecycle(
    calendars: dict[str, Calendar], people: list[dict], days: dict[tuple, set]
) -> list[dict]:
    first_dates = {
        (row["project_id"], row["user_id"]): row["first_seen_date"] for row in people
    }
    found = []
    for project_id, calendar in calendars.items():
        of_users = of_project(days, project_id)
        for kind in PERIODS:
            periods = calendar.real(kind)
            for at, period in enumerate(periods):
                before = periods[at - 1] if at else None
                states: Counter = Counter()
                for user, own in of_users.items():
                    is_active = any(period.start <= day <= period.end for day in own)
                    was_active = before is not None and any(
                        before.start <= day <= before.end for day in own
                    )
                    first = first_dates[project_id, user]
                    if is_active and period.start <= first <= period.end:
                        states["new"] += 1
                    elif is_active:
                        states["current" if was_active else "resurrected"] += 1
                    elif was_active:
                        states["dormant"] += 1
                new, current = states["new"], states["current"]
                back, dormant = states["resurrected"], states["dormant"]
                found.append(
                    {
                        "project_id": project_id,
                        "period": kind,
                        "period_started_date": period.start,
                        "new_user_count": new,
                        "current_user_count": current,
                        "resurrected_user_count": back,
                        "dormant_user_count": dormant,
                        "active_user_count": new + current + back,
                        "pulse": rate(new + back, dormant),
                        "is_before_calendar": False,
                        "is_complete": period.is_complete,
                    }
                )
            for period in calendar.periods[kind]:
                if period.is_before:
                    new = sum(
                        any(calendar.row_of(kind, day) == period.start for day in own)
                        for own in of_users.values()
                    )
                    found.append(
                        {
                            "project_id": project_id,
                            "period": kind,
                            "period_started_date": period.start,
                            "new_user_count": new,
                            "current_user_count": 0,
                            "resurrected_user_count": 0,
                            "dormant_user_count": 0,
                            "active_user_count": new,
                            "pulse": None,
                            "is_before_calendar": True,
                            "is_complete": False,
                        }
                    )
    return found


def engagement(
    calendars: dict[str, Calendar], days: dict[tuple, set], counted: list[dict]
) -> list[dict]:
    found = []
    of_users = [
        event
        for event in counted
        if event["user_id"] is not None and event["event_date"]
    ]
    for project_id, calendar in calendars.items():
        own = [event for event in of_users if event["project_id"] == project_id]
        active_days = of_project(days, project_id)
        for kind in PERIODS:
            by_start = calendar.numbers(kind)
            active = Counter(
                start
                for dates in active_days.values()
                for start in {calendar.row_of(kind, day) for day in dates}
            )
            cells = grouped(
                own,
                lambda event: (
                    calendar.row_of(kind, event["event_date"]),  # noqa: B023
                    event["event_type"],
                ),
            )
            for (start, event_type), events in cells.items():
                if start not in by_start:
                    continue
                users = {event["user_id"] for event in events}
                user_days = {
                    (event["user_id"], event["event_date"]) for event in events
                }
                found.append(
                    {
                        "project_id": project_id,
                        "period": kind,
                        "period_started_date": start,
                        "event_type": event_type,
                        "active_user_count": active[start],
                        "user_count": len(users),
                        "event_count": len(events),
                        "breadth_rate": rate(len(users), active[start]),
                        "average_event_count": len(events) / len(users),
                        "average_day_count": len(user_days) / len(users),
                        "is_activity": events[0]["is_activity"],
                        "is_before_calendar": by_start[start].is_before,
                        "is_complete": by_start[start].is_complete,
                    }
                )
    return found


MOST_VALUES = 20


def segments(
    calendars: dict[str, Calendar],
    people: list[dict],
    counted: list[dict],
    sessions: list[dict],
) -> list[dict]:
    found = []
    for project_id, calendar in calendars.items():
        first_seen = {
            row["user_id"]: row["first_seen_date"]
            for row in people
            if row["project_id"] == project_id
        }
        events = [
            event
            for event in counted
            if event["project_id"] == project_id
            and event["user_id"] is not None
            and event["is_activity"]
            and event["event_date"]
        ]
        starts = [
            row
            for row in sessions
            if row["project_id"] == project_id and row["started_date"]
        ]
        values = {
            name: most_used(events, starts, name)
            for name in ("platform", "country", "app_version")
        }
        for kind in PERIODS:

            def labels(row: dict, day: Any) -> list[tuple]:
                """The period's start, and the segments and values of an event's row."""
                start = calendar.row_of(kind, day)  # noqa: B023
                first = first_seen[row["user_id"]]  # noqa: B023
                is_new = first and calendar.row_of(kind, first) >= start  # noqa: B023
                user_type = "new" if is_new else "returning"
                own = [(start, "all", "all"), (start, "user_type", user_type)]
                for name, most in values.items():  # noqa: B023
                    value = "(none)" if row[name] is None else row[name]
                    own.append((start, name, value if value in most else "(other)"))
                return own

            users: dict[tuple, set] = {}
            event_counts: Counter = Counter()
            session_counts: Counter = Counter()
            for event in events:
                for cell in labels(event, event["event_date"]):
                    users.setdefault(cell, set()).add(event["user_id"])
                    event_counts[cell] += 1
            for row in starts:
                session_counts.update(labels(row, row["started_date"]))
            by_start = calendar.numbers(kind)
            for cell in event_counts.keys() | session_counts.keys():
                start, segment, value = cell
                if start not in by_start:
                    continue
                period = by_start[start]
                active = len(users.get(cell, ()))
                found.append(
                    {
                        "project_id": project_id,
                        "period": kind,
                        "period_started_date": start,
                        "segment": segment,
                        "segment_value": value,
                        "active_user_count": active,
                        "event_count": event_counts[cell],
                        "session_count": session_counts[cell],
                        "active_user_rate": rate(
                            active, len(users.get((start, "all", "all"), ()))
                        ),
                        "is_before_calendar": period.is_before,
                        "is_complete": period.is_complete,
                    }
                )
    return found


def most_used(events: list[dict], sessions: list[dict], name: str) -> set:
    """The values with most users; of equal ones, those first in the alphabet."""

    def value(row: dict) -> str:
        return "(none)" if row[name] is None else row[name]

    users: dict[str, set] = {value(row): set() for row in sessions}
    for event in events:
        users.setdefault(value(event), set()).add(event["user_id"])
    ranked = sorted(users, key=lambda value: (-len(users[value]), value))
    return set(ranked[:MOST_VALUES])
