"""The summary of a run: one line, and a page for GitHub Actions."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# GitHub takes 1 MiB of a step's summary, and few people read more lines than this.
MOST_PROBLEMS = 100


@dataclass
class Summary:
    """What a run did. Hours are counted by status; bytes are those landed.

    `erased_events` were exported, but are of persons who have been erased.
    `problems` are sentences: why hours stay open, and why the run ended early.
    """

    hours: Counter[str] = field(default_factory=Counter)
    events: int = 0
    erased_events: int = 0
    bytes: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0
    problems: list[str] = field(default_factory=list)

    @property
    def events_per_second(self) -> int:
        return round(self.events / self.seconds) if self.seconds else 0

    def __str__(self) -> str:
        hours = [f"{self.hours[status]} {status}" for status in sorted(self.hours)]
        erased = f" ({self.erased_events} left out)" if self.erased_events else ""
        return (
            f"{self.hours.total()} hours ({', '.join(hours) or 'none done'}),"
            f" {self.events} events{erased}, {self.bytes} bytes,"
            f" {self.requests} requests, {self.retries} retries, {self.seconds:.1f} s,"
            f" {self.events_per_second} events/s"
        )

    def to_markdown(self) -> str:
        """A table, and a list of the problems if there are any."""
        rows = {
            **{f"hours {status}": n for status, n in sorted(self.hours.items())},
            "events": self.events,
            **({"events left out": self.erased_events} if self.erased_events else {}),
            "bytes": self.bytes,
            "requests": self.requests,
            "retries": self.retries,
            "seconds": round(self.seconds, 1),
            "events/s": self.events_per_second,
        }
        lines = ["### Ingest", "", "| | |", "|---|---:|"]
        lines += [f"| {name} | {value:,} |" for name, value in rows.items()]
        lines += ["", *(f"- {problem}" for problem in self.problems[:MOST_PROBLEMS])]
        if len(self.problems) > MOST_PROBLEMS:
            lines.append(
                f"- and {len(self.problems) - MOST_PROBLEMS} more: see the log"
            )
        return "\n".join(lines) + "\n"


def add_to_run_page(markdown: str) -> None:
    """Add to the page of the GitHub Actions run, if this is one. Raises OSError.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a", encoding="utf-8") as text:
            text.write(markdown)
