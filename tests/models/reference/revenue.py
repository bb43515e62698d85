"""What is earned, by whom, and what brings it."""

from datetime import timedelta
from decimal import Decimal

from .calendar import Calendar
from .channels import channel
from .people import first, grouped, last, rate
from .staged import hash_number, reporting_date, seconds

SOURCES = [
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "referring_domain",
    "click_id_parameter",
]
DAY = timedelta(days=1)


def total(events: list[dict]) -> float:
    """The exact sum of billionths."""
    billionth = Decimal("0.000000001")
    return float(
        sum(
            (Decimal(repr(event["revenue"])).quantize(billionth) for event in events),
            Decimal(0),
        )
    )


def earning(counted: list[dict]) -> list[dict]:
    return [event for event in counted if event["revenue"] is not None]


def daily_revenue(
    calendars: dict[str, Calendar], counted: list[dict], active: list[dict]
) -> list[dict]:
    days = grouped(
        (
            event
            for event in earning(counted)
            if event["event_date"] and event["project_id"] in calendars
        ),
        lambda event: (
            event["project_id"],
            calendars[event["project_id"]].row_of("day", event["event_date"]),
        ),
    )
    active_counts = {
        (row["project_id"], row["active_date"]): row["daily_active_user_count"]
        for row in active
    }
    found = []
    for project_id, calendar in calendars.items():
        for period in calendar.periods["day"]:
            own = days.get((project_id, period.start), [])
            payers = len({event["user_id"] for event in own} - {None})
            users = active_counts[project_id, period.start]
            revenue = total(own)
            found.append(
                {
                    "project_id": project_id,
                    "revenue_date": period.start,
                    "revenue": revenue,
                    "revenue_event_count": len(own),
                    "paying_user_count": payers,
                    "active_user_count": users,
                    "average_revenue_per_user": rate(revenue, users),
                    "average_revenue_per_paying_user": rate(revenue, payers),
                    "paying_rate": rate(payers, users),
                    "is_before_calendar": period.is_before,
                    "is_complete": period.is_complete,
                }
            )
    return found


def lifetime_values(
    calendars: dict[str, Calendar],
    counted: list[dict],
    people: list[dict],
    settings: dict,
) -> list[dict]:
    by_user = grouped(
        earning(counted), lambda event: (event["project_id"], event["user_id"])
    )
    found = []
    for project_id, calendar in calendars.items():
        newcomers = [
            row
            for row in people
            if row["project_id"] == project_id
            and row["first_seen_at"]
            and row["first_seen_date"] <= calendar.last_loaded_date
        ]
        days = calendar.numbers("day")
        for cohort_date, cohort in grouped(
            newcomers,
            lambda row: calendar.row_of("day", row["first_seen_date"]),  # noqa: B023
        ).items():
            is_before = days[cohort_date].is_before
            last_number = 0 if is_before else settings["lifetime_value_days"]
            ages = {
                row["user_id"]: max(
                    (calendar.loaded_until - row["first_seen_at"]) // DAY, 0
                )
                for row in cohort
            }
            earned = {
                row["user_id"]: [
                    ((event["occurred_at"] - row["first_seen_at"]) // DAY, event)
                    for event in by_user.get((project_id, row["user_id"]), [])
                    if event["occurred_at"]
                ]
                for row in cohort
            }
            # Revenue without a time is paid at no age.
            payers = {
                row["user_id"]
                for row in cohort
                if (project_id, row["user_id"]) in by_user
            }
            for number in range(min(max(ages.values()), last_number) + 1):
                users = [user for user, age in ages.items() if age >= number]
                until = [
                    event
                    for user in users
                    for day, event in earned[user]
                    if day <= number
                ]
                revenue = total(until)
                paying = len(payers & set(users))
                found.append(
                    {
                        "project_id": project_id,
                        "cohort_date": cohort_date,
                        "day_number": number,
                        "cohort_user_count": len(cohort),
                        "user_count": len(users),
                        "paying_user_count": paying,
                        "paid_user_count": len({event["user_id"] for event in until}),
                        "revenue": revenue,
                        "average_revenue_per_user": revenue / len(users),
                        "average_revenue_per_paying_user": rate(revenue, paying),
                        "is_mature": not is_before
                        and all(age > number for age in ages.values())
                        and calendar.is_whole(
                            cohort_date, cohort_date + (number + 1) * DAY
                        ),
                        "is_before_calendar": is_before,
                        "is_complete_cohort": days[cohort_date].is_complete,
                    }
                )
    return found


def attribution(
    counted: list[dict], sessions: list[dict], people: list[dict], settings: dict
) -> list[dict]:
    touches = grouped(
        (
            row
            | {
                "order": (
                    row["first_occurred_at"],
                    hash_number(row["session_id"]),
                )
            }
            for row in sessions
            if any(row[name] for name in SOURCES) and row["first_occurred_at"]
        ),
        lambda row: (row["project_id"], row["user_id"]),
    )
    results: list[tuple] = [
        ("session", row, row["first_occurred_at"], None) for row in sessions
    ]
    results += [("new_user", row, row["first_seen_at"], None) for row in people]
    results += [
        ("revenue", event, event["occurred_at"], event)
        for event in earning(counted)
        if event["user_id"] is not None
    ]
    credits = []
    for kind, row, time, event in results:
        window = settings["attribution_window_days"] * 86400
        own = [
            touch
            for touch in touches.get((row["project_id"], row["user_id"]), [])
            if time
            and touch["first_occurred_at"] <= time
            and seconds(touch["first_occurred_at"], time) <= window
        ]
        for touch, chosen in (
            ("first", first(own, "order")),
            ("last", last(own, "order")),
        ):
            source = tuple(chosen.get(name) for name in SOURCES)
            credits.append(
                {
                    "key": (
                        row["project_id"],
                        reporting_date(time, settings),
                        touch,
                        source,
                    ),
                    "kind": kind,
                    "user_id": row["user_id"],
                    "event": event,
                }
            )
    found = []
    for (project_id, day, touch, source), own in grouped(
        credits, lambda credit: credit["key"]
    ).items():
        events = [credit["event"] for credit in own if credit["event"]]
        described = dict(zip(SOURCES, source, strict=True))
        found.append(
            {
                "project_id": project_id,
                "touch": touch,
                "channel": channel(described, settings),
                "session_count": sum(credit["kind"] == "session" for credit in own),
                "new_user_count": sum(credit["kind"] == "new_user" for credit in own),
                "paying_user_count": len({event["user_id"] for event in events}),
                "revenue_event_count": len(events),
                "revenue": total(events),
                "attributed_date": day,
            }
            | described
        )
    return found
