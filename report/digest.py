"""The weekly digest: last week against the week before, as an e-mail and as Slack text.

Weeks run from Monday to Sunday. The digest covers the newest week that is loaded
completely; it is compared with the week before only if that is complete too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from report.contents import Format
from report.load import Load, loads
from report.page import template
from report.warehouse import Answer

DAY, WEEK = timedelta(days=1), timedelta(days=7)
MOST_CHANNELS, MOST_CHANGES = 4, 3
# Smaller changes of an event type are noise.
LEAST_USERS_CHANGED = 5
NOTHING = "No upload hour is loaded yet."

Row = dict[str, Any]
Number = float | int | None


@dataclass(frozen=True)
class Measure:
    """A figure of the week, and of the week before (None: not comparable)."""

    label: str
    value: Number
    before: Number = None
    format: Format = "count"

    @property
    def text(self) -> str:
        if self.value is None:
            return "–"
        if self.format == "rate":
            return f"{self.value:.1%}"
        if self.format == "money":
            return f"{self.value:,.2f}"
        return f"{self.value:,.0f}"

    @property
    def change(self) -> str:
        """Arrow and change: in percent, or of a share in percentage points."""
        if self.value is None or self.before is None:
            return ""
        arrow = "▲" if self.value > self.before else "▼"
        if self.value == self.before:
            arrow = "="
        if self.format == "rate":
            return f"{arrow} {100 * (self.value - self.before):+.1f} pp"
        if not self.before:
            return f"{arrow} was 0"
        return f"{arrow} {self.value / self.before - 1:+.0%}"


@dataclass(frozen=True)
class Part:
    """A table of the digest."""

    title: str
    measures: list[Measure]


@dataclass(frozen=True)
class ProjectDigest:
    """The week of one project; without a complete week it has no parts."""

    project_id: str
    load: Load
    week: date | None = None
    is_compared: bool = False
    parts: list[Part] = field(default_factory=list)

    @property
    def title(self) -> str:
        if self.week is None:
            return "No week is completely loaded yet"
        last = self.week + 6 * DAY
        first = f"{self.week.day} {self.week:%B}" + (
            f" {self.week.year}" if self.week.year != last.year else ""
        )
        return f"{first} to {last.day} {last:%B %Y}"


def digests(answers: dict[str, Answer]) -> list[ProjectDigest]:
    """The digest of each project, from the warehouse's answers."""
    found = []
    for state in loads(answers["load_hours"].records()):

        def rows(name: str, project_id: str = state.project_id) -> list[Row]:
            return [
                row
                for row in answers[name].records()
                if row["project_id"] == project_id
            ]

        found.append(_digest(state, rows))
    return found


def _digest(state: Load, rows: Callable[[str], list[Row]]) -> ProjectDigest:
    complete_days = {r["active_date"] for r in rows("active_users") if r["is_complete"]}
    weeks = sorted(
        day
        for day in complete_days
        if day.weekday() == 0 and _days(day) <= complete_days
    )
    if not weeks:
        return ProjectDigest(state.project_id, state)
    week = weeks[-1]
    is_compared = week - WEEK in weeks
    found = _Week(rows, week, is_compared)
    parts = [found.key_figures(), found.funnels(), found.channels(), found.changes()]
    return ProjectDigest(
        state.project_id,
        state,
        week,
        is_compared,
        [part for part in parts if part.measures],
    )


@dataclass(frozen=True)
class _Week:
    rows: Callable[[str], list[Row]]
    monday: date
    is_compared: bool

    def key_figures(self) -> Part:
        measures = [
            self._of_last_day("Weekly active users", "weekly_active_user_count"),
            self._mean("Active users per day", "daily_active_user_count"),
            self._sum("New users", "active_users", "active_date", "new_user_count"),
            self._sum("Sessions", "sessions", "started_date", "session_count"),
            self._share(
                "Sessions with a sign of frustration",
                "sessions",
                "started_date",
                "frustrated_session_count",
                "session_count",
            ),
            self._sum("Purchases", "revenue", "revenue_date", "revenue_event_count"),
            self._sum("Revenue", "revenue", "revenue_date", "revenue", "money"),
        ]
        return Part("Key figures", [m for m in measures if m])

    def funnels(self) -> Part:
        """The share of each funnel's users who reach its last step.

        Only of days whose conversion window is over, against the same weekdays.
        """
        rows = self.rows("funnels")
        measures = []
        for _, name in sorted({(r["funnel_number"] or 0, r["funnel"]) for r in rows}):
            steps = [r for r in rows if r["funnel"] == name]
            mature = {r["entered_date"] for r in steps if r["is_mature"]}
            last_step = max(r["step_number"] for r in steps)
            last = [r for r in steps if r["step_number"] == last_step]
            days = _days(self.monday) & mature
            days_before = {day - WEEK for day in days}
            value = _conversion(last, days)
            if value is None:
                continue
            is_compared = self.is_compared and days_before <= mature
            before = _conversion(last, days_before) if is_compared else None
            label = f"{name}: users who reach the last step"
            if len(days) < 7:
                label += f" ({len(days)} of 7 days)"
            measures.append(Measure(label, value, before, "rate"))
        return Part("Funnels", measures)

    def channels(self) -> Part:
        """The channels that brought most sessions."""
        rows = [r for r in self.rows("channels") if r["touch"] == "last"]
        names = {r["channel"] for r in rows}
        measures = []
        for name in names:
            of_channel = [r for r in rows if r["channel"] == name]
            measure = self._sum_of(of_channel, name, "attributed_date", "session_count")
            if measure.value:
                measures.append(measure)
        measures.sort(key=lambda m: (-(m.value or 0), m.label))
        return Part("Sessions by channel", measures[:MOST_CHANNELS])

    def changes(self) -> Part:
        """The event types whose number of users changed most."""
        if not self.is_compared:
            return Part("Biggest changes", [])
        users: dict[date, dict[str, int]] = {}
        for row in self.rows("engagement"):
            if row["period"] == "week" and row["event_type"] is not None:
                named = users.setdefault(row["period_started_date"], {})
                named[row["event_type"]] = int(row["user_count"])
        now, before = users.get(self.monday, {}), users.get(self.monday - WEEK, {})
        # An event type below the most used ones of a week is in no answer.
        measures = [
            Measure(name, now[name], before[name]) for name in now if name in before
        ]
        measures = [m for m in measures if _change(m) >= LEAST_USERS_CHANGED]
        measures.sort(key=lambda m: (-_change(m), m.label))
        return Part("Biggest changes, in users", measures[:MOST_CHANGES])

    def _compared(
        self, label: str, value: Callable[[date], Number], format: Format = "count"
    ) -> Measure:
        before = value(self.monday - WEEK) if self.is_compared else None
        return Measure(label, value(self.monday), before, format)

    def _sum(
        self, label: str, answer: str, day: str, name: str, format: Format = "count"
    ) -> Measure | None:
        rows = self.rows(answer)
        return self._sum_of(rows, label, day, name, format) if rows else None

    def _sum_of(
        self, rows: list[Row], label: str, day: str, name: str, format: Format = "count"
    ) -> Measure:
        return self._compared(label, lambda m: _total(rows, day, name, m), format)

    def _share(
        self, label: str, answer: str, day: str, part: str, whole: str
    ) -> Measure | None:
        rows = self.rows(answer)
        if not rows:
            return None
        return self._compared(
            label,
            lambda m: _ratio(_total(rows, day, part, m), _total(rows, day, whole, m)),
            "rate",
        )

    def _mean(self, label: str, name: str) -> Measure:
        rows = self.rows("active_users")
        return self._compared(label, lambda m: _total(rows, "active_date", name, m) / 7)

    def _of_last_day(self, label: str, name: str) -> Measure:
        by_day = {r["active_date"]: r[name] for r in self.rows("active_users")}
        return self._compared(label, lambda m: by_day.get(m + 6 * DAY))


def _days(monday: date) -> set[date]:
    return {monday + number * DAY for number in range(7)}


def _total(rows: Iterable[Row], day: str, name: str, monday: date) -> float:
    return _total_of(rows, day, name, _days(monday))


def _total_of(rows: Iterable[Row], day: str, name: str, days: set[date]) -> float:
    return float(sum(row[name] or 0 for row in rows if row[day] in days))


def _conversion(steps: list[Row], days: set[date]) -> float | None:
    return _ratio(
        _total_of(steps, "entered_date", "user_count", days),
        _total_of(steps, "entered_date", "entered_user_count", days),
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _change(measure: Measure) -> float:
    return abs((measure.value or 0) - (measure.before or 0))


def as_html(found: list[ProjectDigest], report_url: str = "") -> str:
    """One HTML document for an e-mail: inline styles, no script, nothing to load."""
    return template("digest.html").render(
        projects=found, comparison=_comparison, nothing=NOTHING, report_url=report_url
    )


def as_text(found: list[ProjectDigest], report_url: str = "") -> str:
    """The same as Slack's markup, readable as plain text too."""
    lines: list[str] = [] if found else [NOTHING]
    for project in found:
        name = f"Amplitude project {project.project_id}: " if len(found) > 1 else ""
        lines += [f"*{_slack(name + project.title)}*"]
        if not project.load.is_complete:
            lines += [
                f"⚠ {_slack(project.load.headline)}. {_slack(project.load.detail)}"
            ]
        for part in project.parts:
            lines += ["", f"*{part.title}*"]
            for measure in part.measures:
                line = f"• {_slack(measure.label)}: {measure.text}  {measure.change}"
                lines += [line.rstrip()]
        if project.parts:
            lines += ["", _comparison(project)]
        lines += [""]
    return "\n".join([*lines, report_url]).rstrip() + "\n"


def _comparison(project: ProjectDigest) -> str:
    if project.is_compared:
        return "Changes are against the week before."
    return "Not compared: the week before is not completely loaded."


def _slack(text: str) -> str:
    """Names come from anyone who can send an event: no mention, link or style in them.

    https://docs.slack.dev/messaging/formatting-message-text
    """
    for character, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, written)
    for character in "*_~`":
        text = text.replace(character, character + "\u200b")
    return " ".join(text.split())
