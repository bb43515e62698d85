"""What every mart should hold, computed from the landing by brute force.

An independent reference: plain loops over plain rows, written from docs/marts, the
models' descriptions and DECISIONS.md. It uses none of the models' SQL, and is slow and
clear. Only the seeds and the default settings are the project's own.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from . import audience, behaviour, calendar, landed, loads, people, revenue, staged

if TYPE_CHECKING:
    from warehouses import Warehouse

HASH_SALT = staged.HASH_SALT
PROJECT = Path(__file__).parents[3] / "dbt"
DEFAULTS = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
# Hashes of what is compared itself. Those of sessions and users are compared too.
SURROGATE_KEYS = {
    "active_users_id",
    "attribution_id",
    "daily_performance_id",
    "daily_revenue_id",
    "engagement_id",
    "frustration_id",
    "funnel_id",
    "journey_id",
    "lateness_id",
    "lifecycle_id",
    "lifetime_value_id",
    "load_drift_id",
    "page_id",
    "period_id",
    "repeat_click_id",
    "retention_id",
    "segment_id",
    "stickiness_id",
}
# What only the reference needs, and what a build says of itself.
WORKING_COLUMNS = {"batch_number", "duration", "pause"}
NOT_COMPARED = SURROGATE_KEYS | WORKING_COLUMNS


def marts(
    landing: Path,
    settings: dict | None = None,
    merges: Iterable[tuple[str, Any, Any]] = (),
    project: Path = PROJECT,
) -> dict[str, list[dict]]:
    """The rows of every mart.

    `settings` are variables that differ from dbt_project.yml; `merges` are project,
    merged Amplitude id and the id that it was merged into; the seeds are the project's.
    """
    settings = DEFAULTS | (settings or {}) | {"seeds": project / "seeds"}
    rows = list(landed.read_rows(landing))
    ledger = list(landed.read_ledger(landing))
    hours = staged.upload_hours(ledger)
    reasons = staged.removal_reasons(rows, ledger, settings)
    events = staged.events(rows, ledger, merges, settings)
    counted = staged.counted(events, settings)
    calendars = calendar.calendars(
        loads.settled_hours(hours, settings),
        loads.file_hours(rows, settings),
        counted,
        settings,
    )
    sessions = people.sessions(counted, settings)
    users = people.users(counted, sessions, settings)
    repeated = people.interactions(counted)
    days = audience.active_dates(counted)
    active = audience.active_users(calendars, users, days)
    frustrations = behaviour.frustrations(counted, repeated, settings)
    return {
        "amplitude__events": people.events_mart(events),
        "amplitude__sessions": sessions,
        "amplitude__users": users,
        "amplitude__daily_performance": people.daily_performance(counted, users),
        "amplitude__repeat_clicks": people.repeat_clicks(repeated),
        "amplitude__active_users": active,
        "amplitude__stickiness": audience.stickiness(calendars, days),
        "amplitude__retention": audience.retention(
            calendars, users, days, counted, settings
        ),
        "amplitude__lifecycle": audience.lifecycle(calendars, users, days),
        "amplitude__engagement": audience.engagement(calendars, days, counted),
        "amplitude__segments": audience.segments(calendars, users, counted, sessions),
        "amplitude__funnels": behaviour.funnels(calendars, counted, settings),
        "amplitude__journeys": behaviour.journeys(counted, settings),
        "amplitude__pages": behaviour.pages(counted, frustrations, settings),
        "amplitude__frustrations": frustrations,
        "amplitude__daily_revenue": revenue.daily_revenue(calendars, counted, active),
        "amplitude__lifetime_values": revenue.lifetime_values(
            calendars, counted, users, settings
        ),
        "amplitude__attribution": revenue.attribution(
            counted, sessions, users, settings
        ),
        "amplitude__lateness": loads.lateness(counted),
        "amplitude__load_audit": loads.load_audit(rows, reasons, hours, settings),
        "amplitude__load_drift": loads.load_drift(rows, settings),
        "amplitude__periods": calendar.periods_mart(calendars),
    }


def differences(
    warehouse: "Warehouse",
    settings: dict | None = None,
    merges: Iterable[tuple[str, Any, Any]] = (),
    expected: dict[str, list[dict]] | None = None,
) -> dict[str, tuple[list[str], list[str]]]:
    """By mart: the rows only in the warehouse, and those only in the reference."""
    if expected is None:
        expected = marts(warehouse.landing, settings, merges, warehouse.project)
    found = {}
    for name, rows in expected.items():
        built = as_texts(warehouse.table(f"amplitude.{name}"))
        right = as_texts(rows)
        if built != right:
            found[name] = (
                sorted((built - right).elements()),
                sorted((right - built).elements()),
            )
    return found


def as_texts(rows: list[dict]) -> Counter[str]:
    from warehouses import plain

    def comparable(value: Any) -> Any:
        if isinstance(value, dict | list):
            return json.dumps(value, sort_keys=True)
        value = plain(value)
        if isinstance(value, float):
            # DuckDB multiplies a double by 10^9 to make it a decimal, so amounts above
            # 9 million may differ in the 16th digit. 1 and 1.0 are the same number.
            value = float(f"{value:.15g}")
            return int(value) if value.is_integer() else value
        return value

    return Counter(
        json.dumps(
            {
                name: comparable(value)
                for name, value in sorted(row.items())
                if name not in NOT_COMPARED
            },
            default=str,
        )
        for row in rows
    )
