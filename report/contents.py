"""The contents of the page: sections, and their charts in order."""

from dataclasses import dataclass, field
from typing import Any, Literal

import altair as alt

from report import pictures

Format = Literal["text", "date", "count", "decimal", "money", "rate", "flag"]


@dataclass(frozen=True)
class Column:
    """A column of a chart's table."""

    name: str
    title: str
    format: Format = "count"


@dataclass(frozen=True)
class Choice:
    """A choice besides the days, such as the period of a chart."""

    name: str
    title: str
    # Values with their labels; empty: all values of the column in the answer.
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chart:
    """One question of the page: answers of the warehouse, a picture, a table."""

    name: str
    title: str
    answer: str
    question: str
    about: str
    columns: list[Column]
    picture: alt.TopLevelMixin
    choices: list[Choice] = field(default_factory=list)
    legend: dict[str, str] = field(default_factory=dict)
    empty: str = "No data in the chosen days."
    is_wide: bool = False

    def settings(self) -> dict[str, Any]:
        """The chart's settings for the page's script."""
        return {
            "name": self.name,
            "answer": self.answer,
            "columns": [vars(column) for column in self.columns],
            "choices": [vars(choice) for choice in self.choices],
            "spec": pictures.compiled(self.picture),
        }


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    name: str
    title: str
    charts: list[Chart]


PERIODS = {"day": "by day", "week": "by week", "month": "by month"}

SECTIONS = [
    Section(
        "audience",
        "Audience",
        [
            Chart(
                "active_users",
                "Active users",
                "active_users",
                "How many people use it?",
                "Users with at least one active event on the day, in the 7 days and in "
                "the 30 days that end with it. A hollow dot: not all of these days are "
                "loaded.",
                [
                    Column("date", "Day", "date"),
                    Column("daily_active_user_count", "Active on the day"),
                    Column("weekly_active_user_count", "In 7 days"),
                    Column("monthly_active_user_count", "In 30 days"),
                    Column("new_user_count", "New"),
                    Column("is_complete", "Day all loaded", "flag"),
                ],
                pictures.active_users(),
                legend=pictures.ACTIVE,
                is_wide=True,
            ),
            Chart(
                "daily_monthly",
                "Stickiness",
                "active_users",
                "What share of the month’s users is active on a day?",
                "Users active on the day, of those active in the 30 days "
                "that end with it. A hollow dot: not all of the 30 days are loaded, so "
                "that the share is too high.",
                [
                    Column("date", "Day", "date"),
                    Column("daily_monthly_rate", "Stickiness", "rate"),
                    Column("daily_active_user_count", "Active on the day"),
                    Column("monthly_active_user_count", "In 30 days"),
                    Column("has_whole_month", "30 days all loaded", "flag"),
                ],
                pictures.daily_monthly(),
            ),
            Chart(
                "active_days",
                "Active days",
                "stickiness",
                "On how many days are users active?",
                "Share of a week’s (or month’s) users who were active on at least so "
                "many of its days; over all periods of the chosen days.",
                [
                    Column("active_day_number", "Days, at least"),
                    Column("cumulative_rate", "Share of users", "rate"),
                    Column("cumulative_user_count", "Users"),
                    Column("active_user_count", "of"),
                ],
                pictures.active_days(),
                [
                    Choice(
                        "period", "Period", {"week": "in a week", "month": "in a month"}
                    )
                ],
            ),
            Chart(
                "segments",
                "Segments",
                "segments",
                "Who are the active users?",
                "Active users by platform, country or app version at the time of their "
                "events, and by whether they were new in the period. A user with "
                "several values counts for each.",
                [
                    Column("label", "Value", "text"),
                    Column("active_user_count", "Users"),
                    Column("active_user_rate", "Of active users", "rate"),
                    Column("session_count", "Sessions"),
                    Column("event_count", "Events"),
                ],
                pictures.segments(),
                [
                    Choice(
                        "segment",
                        "Segment",
                        {
                            "platform": "platform",
                            "country": "country",
                            "app_version": "app version",
                            "user_type": "new or returning",
                        },
                    ),
                    Choice(
                        "period", "Period", {"week": "last week", "month": "last month"}
                    ),
                ],
            ),
            Chart(
                "retention",
                "Retention",
                "retention",
                "Do new users come back?",
                "Of the users who were new in a period, those who were active again "
                "exactly so many periods later, or then or later. A cell without "
                "colour may still grow: its period is not over for all of them, and it "
                "is not in “All”.",
                [
                    Column("cohort", "New", "text"),
                    Column("period", "After", "text"),
                    Column("rate", "Came back", "rate"),
                    Column("returned_count", "Users"),
                    Column("cohort_user_count", "of"),
                    Column("is_mature", "Period over", "flag"),
                ],
                pictures.retention(),
                [
                    Choice("period", "Period", PERIODS),
                    Choice(
                        "basis",
                        "Counted by",
                        {"rolling": "hours since", "calendar": "calendar"},
                    ),
                    Choice(
                        "kind",
                        "Return",
                        {"on": "on", "on_or_after": "on or after"},
                    ),
                ],
                empty="No new users in the chosen days.",
                is_wide=True,
            ),
            Chart(
                "lifecycle",
                "Lifecycle",
                "lifecycle",
                "Are more users gained than lost?",
                "Active users by what they were before: new; current, active in the "
                "period before too; resurrected, back after a break. Below the "
                "line dormant: active in the period before and not in this one. "
                "Pulse is new and resurrected over dormant: above 1 the audience "
                "grows.",
                [
                    Column("date", "From", "date"),
                    Column("new_user_count", "New"),
                    Column("current_user_count", "Current"),
                    Column("resurrected_user_count", "Resurrected"),
                    Column("dormant_user_count", "Dormant"),
                    Column("pulse", "Pulse", "decimal"),
                    Column("is_complete", "All loaded", "flag"),
                ],
                pictures.lifecycle(),
                [Choice("period", "Period", PERIODS)],
                legend=pictures.LIFECYCLE,
                is_wide=True,
            ),
            Chart(
                "channels",
                "Channels",
                "channels",
                "Which channels bring users and revenue?",
                "Sessions, new users and revenue by the channel of the user’s last (or "
                "first) session that came from a campaign, an ad or another site. The "
                "page of amplitude__attribution says how channels are defined.",
                [
                    Column("label", "Channel", "text"),
                    Column("session_count", "Sessions"),
                    Column("rate", "Of sessions", "rate"),
                    Column("new_user_count", "New users"),
                    Column("revenue_event_count", "Payments"),
                    Column("revenue", "Revenue", "money"),
                ],
                pictures.channels(),
                [
                    Choice(
                        "touch",
                        "Credit",
                        {"last": "to the last source", "first": "to the first source"},
                    )
                ],
                is_wide=True,
            ),
        ],
    ),
    Section(
        "behaviour",
        "Behaviour",
        [
            Chart(
                "funnel",
                "Funnel",
                "funnels",
                "How many users complete the steps?",
                "Users who reached each step within the conversion window, on the day "
                "of their first step; of several days the sum.",
                [
                    Column("label", "Step", "text"),
                    Column("user_count", "Users"),
                    Column("conversion_rate", "Of those who entered", "rate"),
                    Column("step_conversion_rate", "Of the step before", "rate"),
                    Column("duration", "Average time from the step before", "text"),
                ],
                pictures.funnel(),
                [Choice("funnel", "Funnel")],
                empty="No user entered the funnel in the chosen days.",
                is_wide=True,
            ),
            Chart(
                "engagement",
                "Engagement",
                "engagement",
                "What do users do, and how often?",
                "Event types by the share of the period’s active users who did "
                "them, and how many times each of these did.",
                [
                    Column("label", "Event", "text"),
                    Column("user_count", "Users"),
                    Column("breadth_rate", "Of active users", "rate"),
                    Column("average_event_count", "Times per user", "decimal"),
                    Column("event_count", "Events"),
                ],
                pictures.engagement(),
                [
                    Choice(
                        "period", "Period", {"week": "last week", "month": "last month"}
                    )
                ],
            ),
            Chart(
                "pages",
                "Pages",
                "pages",
                "Which pages do users view?",
                "Views of a page in the chosen days, of the last three months at most. "
                "The part of an address behind “?” is left out; personal data in it is "
                "masked. Pages that few users saw are counted together.",
                [
                    Column("label", "Page", "text"),
                    Column("view_count", "Views"),
                    Column("session_count", "Sessions"),
                    Column("entry_count", "Entries"),
                    Column("exit_count", "Exits"),
                    Column("bounce_rate", "Bounced, of entries", "rate"),
                ],
                pictures.pages(),
                empty="No page was viewed in the chosen days.",
            ),
        ],
    ),
    Section(
        "frustration",
        "Frustration",
        [
            Chart(
                "frustrated_sessions",
                "Frustration",
                "sessions",
                "How many sessions show frustration?",
                "Share of the day’s sessions with a sign of frustration: what the SDK "
                "reports, or clicks that were repeated on one element.",
                [
                    Column("date", "Day", "date"),
                    Column("rate", "Of sessions", "rate"),
                    Column("frustrated_session_count", "Sessions with a sign"),
                    Column("session_count", "Sessions"),
                ],
                pictures.frustrated_sessions(),
                is_wide=True,
            ),
            Chart(
                "frustrating_pages",
                "Frustration by page",
                "pages",
                "On which pages do sessions show frustration?",
                "Sessions with a sign of frustration on the page, and their share of "
                "the sessions that saw it.",
                [
                    Column("label", "Page", "text"),
                    Column("frustrated_session_count", "Sessions with a sign"),
                    Column("session_count", "Sessions"),
                    Column("rate", "Of sessions", "rate"),
                ],
                pictures.frustrating_pages(),
                empty="No sign of frustration in the chosen days.",
            ),
            Chart(
                "frustrating_elements",
                "Frustration by element",
                "frustrations",
                "On which elements do users get stuck?",
                "Rage clicks (four or more within a second), dead clicks (nothing "
                "happened), error clicks (an error followed) and thrashed cursors (to "
                "and fro), as the SDK reports them; repeat clicks: more than twice in "
                "a session on one element. Elements that few users saw are counted "
                "together.",
                [
                    Column("label", "Element", "text"),
                    Column("page", "Page", "text"),
                    Column("session_count", "Sessions"),
                    Column("rage_click_count", "Rage clicks"),
                    Column("dead_click_count", "Dead clicks"),
                    Column("error_click_count", "Error clicks"),
                    Column("thrashed_cursor_count", "Thrashed cursors"),
                    Column("repeat_click_count", "Repeat clicks"),
                ],
                pictures.frustrating_elements(),
                legend=pictures.SIGNS,
                empty="No sign of frustration in the chosen days.",
            ),
        ],
    ),
    Section(
        "revenue",
        "Revenue",
        [
            Chart(
                "daily_revenue",
                "Revenue",
                "revenue",
                "How much do users pay?",
                "Revenue of the day, in the currency it was sent in.",
                [
                    Column("date", "Day", "date"),
                    Column("revenue", "Revenue", "money"),
                    Column("revenue_event_count", "Payments"),
                    Column("paying_user_count", "Paying users"),
                    Column("average_revenue_per_user", "Per active user", "money"),
                    Column(
                        "average_revenue_per_paying_user", "Per paying user", "money"
                    ),
                ],
                pictures.revenue(),
                empty="No revenue in the chosen days.",
            ),
            Chart(
                "lifetime_value",
                "Lifetime value (LTV)",
                "lifetime_values",
                "What is a user worth after N days?",
                "Revenue up to Day N per user first seen in the chosen days, of those "
                "who were first seen long enough ago.",
                [
                    Column("day_number", "Day"),
                    Column("lifetime_value", "Revenue per user", "money"),
                    Column("revenue", "Revenue", "money"),
                    Column("paid_user_count", "Users who paid"),
                    Column("user_count", "Users old enough"),
                ],
                pictures.lifetime_value(),
                empty="No revenue of users first seen in the chosen days.",
            ),
        ],
    ),
    Section(
        "data",
        "Data",
        [
            Chart(
                "lateness",
                "Late events",
                "lateness",
                "How late do events arrive?",
                "Events uploaded in the chosen days, by the time between the event and "
                "its upload. Late events change figures of earlier days.",
                [
                    Column("label", "Delay", "text"),
                    Column("event_count", "Events"),
                    Column("rate", "Of events", "rate"),
                ],
                pictures.lateness(),
                empty="No event was uploaded in the chosen days.",
                is_wide=True,
            ),
        ],
    ),
]
