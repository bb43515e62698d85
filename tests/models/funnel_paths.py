"""How far users go in a funnel, found by trying every way to do its steps.

Independent of the SQL: a path is a choice of one event for each step, all of them
different. What has the same steps in the same second is one event.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import mean, median
from typing import Any

Funnel = dict[str, Any]
Path = list[datetime]


@dataclass(frozen=True)
class Event:
    """An event of a user, with what conditions of steps look at."""

    user: str
    event_type: str
    properties: tuple[tuple[str, str], ...]
    time: datetime


def is_step(event: Event, step: Funnel) -> bool:
    def is_one_of(value: Any, wanted: Any) -> bool:
        return value in (wanted if isinstance(wanted, list) else [wanted])

    properties = dict(event.properties)
    return is_one_of(event.event_type, step["event_type"]) and all(
        is_one_of(properties.get(key), wanted)
        for key, wanted in step.get("properties", {}).items()
    )


def choices(
    options: list[list[int]], taken: tuple[int, ...] = ()
) -> Iterator[tuple[int, ...]]:
    """Every way to give the first steps, one or more, an event each, none to two."""
    if taken:
        yield taken
    if len(taken) < len(options):
        for event in options[len(taken)]:
            if event not in taken:
                yield from choices(options, (*taken, event))


def paths(events: list[Event], funnel: Funnel) -> Iterator[Path]:
    """The times of the steps of each path of one user: the furthest of every start."""
    steps = funnel["steps"]
    window = timedelta(seconds=int(funnel["window_hours"] * 3600))
    found = {
        (event.time.replace(microsecond=0), tuple(is_step(event, one) for one in steps))
        for event in events
    }
    moments = sorted(one for one in found if any(one[1]))
    options = [
        [at for at, (_, is_) in enumerate(moments) if is_[number]]
        for number in range(len(steps))
    ]
    possible = [[moments[at][0] for at in choice] for choice in choices(options)]
    for start in sorted({time for time, _ in moments}):
        if funnel["order"] == "this":
            yield furthest(
                times
                for times in possible
                if times[0] == start
                and times == sorted(times)
                and times[-1] - start <= window
            )
        else:
            # Step N is done when steps 1 to N are.
            done: dict[int, datetime] = {}
            for times in possible:
                if min(times) >= start and max(times) - start <= window:
                    done[len(times)] = min(max(times), done.get(len(times), max(times)))
            yield [done[length] for length in sorted(done)]


def furthest(found: Iterator[Path]) -> Path:
    """The longest path, of several the earliest; empty if there is none."""
    return min(found, key=lambda times: (-len(times), times), default=[])


def cells(
    events: list[Event], funnel: Funnel
) -> dict[tuple[date, int], tuple[float | None, ...]]:
    """By day and step: users, median and mean seconds, median seconds from step 1."""
    users = defaultdict(list)
    for event in events:
        users[event.user].append(event)
    days: dict[date, list[Path]] = defaultdict(list)
    for one in users.values():
        by_day = defaultdict(list)
        for path in paths(one, funnel):
            if path:
                by_day[path[0].date()].append(path)
        for day, found in by_day.items():
            days[day].append(furthest(iter(found)))
    return {
        (day, number): measures(found, number)
        for day, found in days.items()
        for number in range(1, len(funnel["steps"]) + 1)
    }


def measures(found: list[Path], number: int) -> tuple[float | None, ...]:
    reached = [path for path in found if len(path) >= number]
    if number == 1 or not reached:
        return len(reached), None, None, None
    seconds = [(path[number - 1] - path[number - 2]).seconds for path in reached]
    total = [(path[number - 1] - path[0]).seconds for path in reached]
    return len(reached), median(seconds), mean(seconds), median(total)
