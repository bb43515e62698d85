"""The pictures of the charts, in Vega-Lite.

Their rows come from views.js, under the name `rows`. Colours are the page's own
(page.css), so that a chart follows it into the dark and onto paper.
"""

from typing import Any

import altair as alt
import vl_convert

Colour = alt.Color | alt.ColorValue

BLUE, ORANGE, GREEN, PURPLE, GREY = (f"var(--series-{n})" for n in range(1, 6))
DAY = "%a %-d %b %Y"
# On an axis: the year beside each month that begins, so that long axes name it.
AXIS_DAY = {"year": "%b %Y", "month": "%b %Y", "date": "%-d %b", "week": "%-d %b"}
COUNT = ",.0f"
MONEY = ",.2f"
RATE = ".1%"

# Steps of a rate in the heat map, and the shades from few to all.
HEAT_STEPS = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75]
SHADES = [f"var(--heat-{number})" for number in range(len(HEAT_STEPS) + 1)]

CONFIG = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": "var(--line)",
        "domainColor": "var(--line-strong)",
        "tickColor": "var(--line-strong)",
        "labelLimit": 220,
    },
    "axisY": {"domain": False, "ticks": False, "tickCount": 5, "labelPadding": 6},
    "axisX": {"grid": False, "labelOverlap": True, "labelPadding": 4},
    "text": {"fontSize": 12, "fill": "var(--text)"},
}

# The series of a chart, by the names that they are shown with.
ACTIVE = {"on the day": BLUE, "in 7 days": ORANGE, "in 30 days": GREEN}
LIFECYCLE = {
    "new": BLUE,
    "current": GREEN,
    "resurrected": ORANGE,
    "dormant": PURPLE,
}
SIGNS = {
    "rage clicks": ORANGE,
    "dead clicks": BLUE,
    "error clicks": PURPLE,
    "thrashed cursors": GREY,
    "repeat clicks": GREEN,
}


def compiled(picture: alt.TopLevelMixin) -> dict[str, Any]:
    """The picture as Vega, which is what the page draws.

    Raises:
        ValueError: it is not valid Vega-Lite.
    """
    fit = {"autosize": {"type": "fit-x", "contains": "padding"}}
    return vl_convert.vegalite_to_vega(picture.to_dict() | fit, config=CONFIG)


def _chart(height: int | alt.Step = 240) -> alt.Chart:
    rows = alt.NamedData("rows")
    return alt.Chart(rows).properties(width="container", height=height)


def _day(name: str = "date") -> alt.X:
    # In UTC, as days are written: in local time a day may be the one before.
    axis = alt.Axis(format=AXIS_DAY, tickCount=6)
    return alt.X(f"{name}:T", timeUnit="utcyearmonthdate", title=None, axis=axis)


def _band(name: str = "date") -> alt.X:
    """Days, or periods by their first day, each with a bar's width."""
    axis = alt.Axis(format=AXIS_DAY, labelAngle=0, ticks=False)
    scale = alt.Scale(paddingInner=0.12)
    return alt.X(
        f"{name}:O", timeUnit="utcyearmonthdate", title=None, axis=axis, scale=scale
    )


def _day_tip(title: str = "Day") -> alt.Tooltip:
    return alt.Tooltip("date:T", timeUnit="utcyearmonthdate", title=title, format=DAY)


def _tip(name: str, title: str, format: str = COUNT) -> alt.Tooltip:
    return alt.Tooltip(f"{name}:Q", title=title, format=format)


def _scale(series: dict[str, str]) -> alt.Scale:
    return alt.Scale(domain=list(series), range=list(series.values()))


def _colour(series: dict[str, str]) -> alt.Color:
    """Colours of series, by their names. The page itself has the legend."""
    return alt.Color("series:N", scale=_scale(series), sort=list(series), legend=None)


def _lines(
    y: alt.Y, series: dict[str, str] | str, tips: list[alt.Tooltip]
) -> alt.LayerChart:
    """Lines over days, of several series or in one colour.

    A dot is hollow if not all days of the figure are loaded.
    """
    if isinstance(series, str):
        colour: Any = alt.ColorValue(series)
        fill: Any = alt.value(series)
    else:
        colour = _colour(series)
        fill = alt.Fill("series:N", scale=_scale(series), legend=None).to_dict()
    base = _chart().encode(x=_day(), y=y, color=colour)
    is_shown = alt.condition("datum.day_count <= 62", alt.value(1), alt.value(0))
    dots = (
        base.transform_joinaggregate(day_count="distinct(date)")
        .mark_point(size=40, strokeWidth=1.5)
        .encode(
            # Of many days only the line is seen; the dots still carry the tooltips.
            opacity=is_shown,
            fill=alt.condition("datum.is_whole", fill, alt.value("var(--card)")),
            tooltip=tips,
        )
    )
    layers: Any = alt.layer(base.mark_line(strokeWidth=2.5), dots)
    return layers


def _bars(
    value: str, text: str, tips: list[alt.Tooltip], colour: Colour
) -> alt.LayerChart:
    """Bars across, each under its name: a long name has the whole width."""
    base = _chart(alt.Step(42)).encode(y=alt.Y("place:O", title=None, axis=None))
    # One text a bar, however many parts it has.
    lines = base.transform_aggregate(groupby=["place", "label", text])
    name = lines.mark_text(
        align="left", dy=-9, limit=alt.ExprRef("max(40, width - 130)")
    ).encode(x=alt.value(0), text="label:N")
    figure = lines.mark_text(align="right", dy=-9, fill="var(--muted)").encode(
        x=alt.value("width"), text=f"{text}:N"
    )
    bar = base.mark_bar(height=12, yOffset=9, cornerRadiusEnd=2).encode(
        x=alt.X(f"sum({value}):Q", title=None, axis=None),
        color=colour,
        tooltip=tips,
    )
    return bar + name + figure


def active_users() -> alt.LayerChart:
    return _lines(
        alt.Y("user_count:Q", title="users", axis=alt.Axis(tickMinStep=1)),
        ACTIVE,
        [
            _day_tip(),
            alt.Tooltip("series:N", title="Active"),
            _tip("user_count", "Users"),
        ],
    )


def daily_monthly() -> alt.LayerChart:
    return _lines(
        alt.Y(
            "daily_monthly_rate:Q",
            title=None,
            axis=alt.Axis(format="%"),
            scale=alt.Scale(domainMin=0),
        ),
        BLUE,
        [
            _day_tip(),
            _tip("daily_monthly_rate", "Stickiness", RATE),
            _tip("daily_active_user_count", "Active on the day"),
            _tip("monthly_active_user_count", "Active in 30 days"),
        ],
    )


def active_days() -> alt.Chart:
    return (
        _chart()
        .mark_bar(color=BLUE, cornerRadiusEnd=2)
        .encode(
            x=alt.X(
                "active_day_number:O", title="or more days", axis=alt.Axis(labelAngle=0)
            ),
            y=alt.Y("cumulative_rate:Q", title=None, axis=alt.Axis(format="%")),
            tooltip=[
                alt.Tooltip("active_day_number:O", title="Days, at least"),
                _tip("cumulative_rate", "Share of users", RATE),
                _tip("cumulative_user_count", "Users"),
                _tip("active_user_count", "of"),
            ],
        )
    )


def retention() -> alt.LayerChart:
    base = _chart(alt.Step(26)).encode(
        x=alt.X(
            "period:N",
            sort=None,
            title=None,
            axis=alt.Axis(orient="top", labelAngle=0, labelOverlap=False),
        ),
        y=alt.Y("cohort:N", sort=None, title=None, axis=alt.Axis(labelPadding=8)),
    )
    scale = alt.Scale(type="threshold", domain=HEAT_STEPS, range=SHADES)
    shade: Any = alt.Color("rate:Q", scale=scale, legend=None).to_dict()
    cells = base.mark_rect(stroke="var(--card)", strokeWidth=2).encode(
        color=alt.condition("datum.is_mature", shade, alt.value("var(--card)")),
        tooltip=[
            alt.Tooltip("cohort:N", title="New"),
            alt.Tooltip("period:N", title="After"),
            _tip("rate", "Came back", RATE),
            _tip("returned_count", "Users"),
            _tip("cohort_user_count", "of"),
        ],
    )
    high = {"test": f"datum.rate >= {HEAT_STEPS[4]}", "value": "var(--on-heat-high)"}
    immature = {"test": "!datum.is_mature", "value": "var(--muted)"}
    texts = base.mark_text(fontSize=11.5).encode(
        text=alt.Text("rate:Q", format=".0%"),
        fill=alt.FillValue("var(--on-heat-low)", condition=[immature, high]),
    )
    return cells + texts


def lifecycle() -> alt.LayerChart:
    base = _chart(260)
    bars = base.mark_bar().encode(
        x=_band(),
        y=alt.Y("signed_count:Q", title="users", axis=alt.Axis(format=",~f")),
        color=_colour(LIFECYCLE),
        tooltip=[
            _day_tip("From"),
            alt.Tooltip("series:N", title="Users who are"),
            _tip("user_count", "Users"),
            _tip("pulse", "Pulse", ".2f"),
        ],
    )
    zero = base.mark_rule(color="var(--line-strong)").encode(y=alt.datum(0))
    return bars + zero


def segments() -> alt.LayerChart:
    return _bars(
        "active_user_rate",
        "text",
        [
            alt.Tooltip("label:N", title="Value"),
            _tip("active_user_rate", "Of active users", RATE),
            _tip("active_user_count", "Users"),
            _tip("session_count", "Sessions"),
            _tip("event_count", "Events"),
        ],
        alt.ColorValue(BLUE),
    )


def engagement() -> alt.LayerChart:
    return _bars(
        "breadth_rate",
        "text",
        [
            alt.Tooltip("label:N", title="Event"),
            _tip("breadth_rate", "Of active users", RATE),
            _tip("user_count", "Users"),
            _tip("average_event_count", "Times per user", ",.1f"),
            _tip("event_count", "Events"),
        ],
        alt.ColorValue(BLUE),
    )


def funnel() -> alt.LayerChart:
    return _bars(
        "user_count",
        "text",
        [
            alt.Tooltip("label:N", title="Step"),
            _tip("user_count", "Users"),
            _tip("conversion_rate", "Of those who entered", RATE),
            _tip("step_conversion_rate", "Of the step before", RATE),
            alt.Tooltip("duration:N", title="Average time from the step before"),
        ],
        alt.ColorValue(BLUE),
    )


def pages() -> alt.LayerChart:
    return _bars(
        "view_count",
        "text",
        [
            alt.Tooltip("label:N", title="Page"),
            _tip("view_count", "Views"),
            _tip("session_count", "Sessions"),
            _tip("entry_count", "Entries"),
            _tip("exit_count", "Exits"),
            _tip("bounce_rate", "Bounced, of entries", RATE),
        ],
        alt.ColorValue(BLUE),
    )


def channels() -> alt.LayerChart:
    return _bars(
        "session_count",
        "text",
        [
            alt.Tooltip("label:N", title="Channel"),
            _tip("session_count", "Sessions"),
            _tip("rate", "Of sessions", RATE),
            _tip("new_user_count", "New users"),
            _tip("revenue", "Revenue", MONEY),
        ],
        alt.ColorValue(BLUE),
    )


def lateness() -> alt.LayerChart:
    return _bars(
        "event_count",
        "text",
        [
            alt.Tooltip("label:N", title="Delay"),
            _tip("event_count", "Events"),
            _tip("rate", "Of events", RATE),
        ],
        alt.ColorValue(BLUE),
    )


def frustrated_sessions() -> alt.LayerChart:
    return _lines(
        alt.Y(
            "rate:Q",
            title=None,
            axis=alt.Axis(format="%"),
            scale=alt.Scale(domainMin=0),
        ),
        ORANGE,
        [
            _day_tip(),
            _tip("rate", "Of sessions", RATE),
            _tip("frustrated_session_count", "Sessions with a sign"),
            _tip("session_count", "Sessions"),
        ],
    )


def frustrating_pages() -> alt.LayerChart:
    return _bars(
        "frustrated_session_count",
        "text",
        [
            alt.Tooltip("label:N", title="Page"),
            _tip("frustrated_session_count", "Sessions with a sign"),
            _tip("session_count", "Sessions"),
            _tip("rate", "Of sessions", RATE),
        ],
        alt.ColorValue(ORANGE),
    )


def frustrating_elements() -> alt.LayerChart:
    return _bars(
        "sign_count",
        "text",
        [
            alt.Tooltip("label:N", title="Element"),
            alt.Tooltip("page:N", title="Page"),
            alt.Tooltip("series:N", title="Sign"),
            _tip("sign_count", "Times"),
            _tip("session_count", "Sessions"),
        ],
        _colour(SIGNS),
    )


def revenue() -> alt.Chart:
    return (
        _chart()
        .mark_bar(color=GREEN, cornerRadiusEnd=2)
        .encode(
            x=_band(),
            y=alt.Y("revenue:Q", title="revenue", axis=alt.Axis(format=",~f")),
            tooltip=[
                _day_tip(),
                _tip("revenue", "Revenue", MONEY),
                _tip("paying_user_count", "Paying users"),
                _tip("active_user_count", "Active users"),
                _tip("average_revenue_per_user", "Per active user", MONEY),
                _tip("average_revenue_per_paying_user", "Per paying user", MONEY),
            ],
        )
    )


def lifetime_value() -> alt.Chart:
    base = _chart().encode(
        x=alt.X(
            "day_number:Q", title="days since first seen", axis=alt.Axis(tickMinStep=1)
        ),
        y=alt.Y(
            "lifetime_value:Q", title="revenue per user", axis=alt.Axis(format=",~f")
        ),
        tooltip=[
            _tip("day_number", "Day"),
            _tip("lifetime_value", "Revenue per user", MONEY),
            _tip("revenue", "Revenue", MONEY),
            _tip("user_count", "Users old enough"),
        ],
    )
    return base.mark_line(
        color=GREEN,
        strokeWidth=2.5,
        point=alt.OverlayMarkDef(size=44, filled=True, color=GREEN),
    )
