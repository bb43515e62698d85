"""The preview of an erasure, as lines of text."""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Set
from datetime import datetime

from ingest.erase.people import Found, Links
from ingest.erasures import (
    KINDS,
)
from ingest.windows import Window

HOURS_SHOWN = 48
IDS_SHOWN = 100
KEYS_SHOWN = 20


def describe(found: list[Found]) -> Iterator[str]:
    """The events to erase, by project and upload hour."""
    hours: dict[str, dict[datetime | None, Counter[str]]] = defaultdict(
        lambda: defaultdict(Counter)
    )
    for one in found:
        project, hour = one.place
        if one.version.is_current:
            hours[project][hour].update(events=one.erased_count, files=1)
        else:
            hours[project][hour].update(versions=1)
    for project, by_hour in sorted(hours.items()):
        total = sum(by_hour.values(), Counter())
        yield (
            f"project {project}: {total['events']:,} events to erase,"
            f" from {total['files']:,} files of {len(by_hour):,} upload hours"
        )
        if total["versions"]:
            yield f"  and {total['versions']:,} older versions of files to delete"
        for hour, counts in sorted(by_hour.items(), key=lambda item: str(item[0]))[
            :HOURS_SHOWN
        ]:
            name = str(Window(hour, hour)) if hour else "another place"
            yield f"  {name}  {counts['events']:,} events, {counts['files']:,} files"
        if len(by_hour) > HOURS_SHOWN:
            yield f"  and {len(by_hour) - HOURS_SHOWN:,} hours more"
    for key in sorted(one.version.key for one in found if not one.new_key):
        yield f"{key} is damaged, its hour was exported again: it is deleted"


def describe_given(
    links: Links, missing: Set[tuple[str, str]], arguments: argparse.Namespace
) -> Iterator[str]:
    """The number of events of each given id; ids without events first."""
    if links.earlier_count:
        yield f"{links.earlier_count:,} of these events belong to persons erased before"
    if missing:
        yield f"given ids without an event: {len(missing):,}"
    if not arguments.confirm:
        counts = [(*one, 0) for one in sorted(missing)]
        counts += [(*one, n) for one, n in sorted(links.event_counts.items())]
        for kind, value, count in counts[:IDS_SHOWN]:
            yield f"  {kind} {value}: {count:,} events"
        if len(counts) > IDS_SHOWN:
            yield f"  and {len(counts) - IDS_SHOWN:,} ids more"


def describe_links(links: Links, arguments: argparse.Namespace) -> Iterator[str]:
    """Ids that were found besides the given ones. They are shown, not logged."""
    if links.mention_count:
        yield (
            f"{links.mention_count:,} events of others hold an id that was given in"
            " another field or as a part of one, and stay"
        )
    for title, ids in (
        ("erased with them, because they belong to the same person", links.linked),
        ("not given, but their events are erased because of another id", links.users),
        ("not erased, because others have events with them too", links.shared),
        ("not erased, but similar to a given id", links.similar),
        ("seen with them; ALSO_LINKED=1 erases these too", links.beside),
    ):
        for kind in KINDS:
            values = sorted({v for one, v in ids.items() if one.kind == kind})
            if values:
                yield f"{kind}, {title}: {len(values):,}"
                if not arguments.confirm:
                    yield f"  {', '.join(values)}"
