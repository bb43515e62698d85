"""What the report has to show, counted from the marts by other means than its own."""

from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb
from warehouses import Warehouse


def count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def rate(value: float | None) -> str:
    return "–" if value is None else f"{rounded(value * 100, '0.1')}%"


def money(value: float | None) -> str:
    return "–" if value is None else f"{rounded(value, '0.01'):,}"


def flag(value: bool) -> str:
    return "yes" if value else "no"


def day(value: date) -> str:
    month = f"{value:%b}".replace("Sep", "Sept")  # as British English has it
    return f"{value.day} {month} {value:%Y}"


def rounded(value: float, step: str) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal(step), ROUND_HALF_UP)


def plain(value: Any) -> str:
    return "–" if value in (None, "") else str(value)


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")


# What each table begins with, of the days from $first to $last: its columns, and how
# they are written.
SHOWN: dict[str, tuple[str, list[Callable]]] = {
    "active_users": (
        """
        select
            active_date, daily_active_user_count, weekly_active_user_count,
            monthly_active_user_count, new_user_count, is_complete
        from amplitude__active_users
        where active_date between $first and $last
        order by 1
        """,
        [day, count, count, count, count, flag],
    ),
    "daily_monthly": (
        """
        select
            active_date, daily_monthly_rate, daily_active_user_count,
            monthly_active_user_count, has_whole_month
        from amplitude__active_users
        where active_date between $first and $last and daily_monthly_rate is not null
        order by 1
        """,
        [day, rate, count, count, flag],
    ),
    "active_days": (
        """
        select
            active_day_number,
            sum(cumulative_user_count) / sum(active_user_count)::double,
            sum(cumulative_user_count)::bigint,
            sum(active_user_count)::bigint
        from amplitude__stickiness
        where
            period = 'week'
            and period_started_date between $first::date - 6 and $last
        group by 1
        order by 1
        """,
        [count, rate, count, count],
    ),
    "retention": (
        """
        select 'All', 'Day ' || period_number,
            sum(returned_user_count) / sum(cohort_user_count)::double,
            sum(returned_user_count)::bigint, sum(cohort_user_count)::bigint, true
        from amplitude__retention
        where
            basis = 'rolling' and period = 'day' and is_mature and period_number <= 14
            and cohort_date between $first and $last
        group by period_number
        order by period_number
        """,
        [plain, plain, rate, count, count, flag],
    ),
    "lifecycle": (
        """
        select
            period_started_date, new_user_count, current_user_count,
            resurrected_user_count, dormant_user_count,
            round(pulse, 2), is_complete
        from amplitude__lifecycle
        where period = 'day' and period_started_date between $first and $last
        order by 1
        """,
        [day, count, count, count, count, number, flag],
    ),
    "segments": (
        """
        select
            segment_value, active_user_count, active_user_rate, session_count,
            event_count
        from amplitude__segments
        where
            period = 'week'
            and period_started_date = date_trunc('week', $last::date)
            and segment = 'platform'
        order by active_user_count desc, segment_value
        """,
        [plain, count, rate, count, count],
    ),
    "engagement": (
        """
        select
            event_type, user_count, breadth_rate, round(average_event_count, 2),
            event_count
        from amplitude__engagement
        where period = 'week' and period_started_date = date_trunc('week', $last::date)
        order by user_count desc, event_count desc, event_type
        limit 40
        """,
        [plain, count, rate, number, count],
    ),
    "channels": (
        """
        select
            channel, sum(session_count)::bigint,
            sum(session_count) / sum(sum(session_count)) over ()::double,
            sum(new_user_count)::bigint, sum(revenue_event_count)::bigint, sum(revenue)
        from amplitude__attribution
        where attributed_date between $first and $last and touch = 'last'
        group by 1
        order by 2 desc, 1
        """,
        [plain, count, rate, count, count, money],
    ),
    "lateness": (
        """
        select
            delay, sum(event_count)::bigint,
            sum(event_count) / sum(sum(event_count)) over ()::double
        from amplitude__lateness
        where uploaded_date between $first and $last
        group by delay_number, delay
        order by delay_number
        """,
        [plain, count, rate],
    ),
    "funnel": (
        """
        with steps as (
            select
                step_number, step, sum(user_count)::bigint as users,
                sum(entered_user_count) as entered
            from amplitude__funnels
            where
                entered_date between $first and $last
                and funnel = 'purchase'
            group by 1, 2
        )
        select
            step_number || '. ' || step, users, users / entered::double,
            users / nullif(lag(users) over (order by step_number), 0)::double
        from steps
        order by step_number
        """,
        [plain, count, rate, rate],
    ),
    "pages": (
        """
        with ranked as (
            select
                *,
                dense_rank() over (
                    order by users < 5, total desc, page_domain, page_path
                ) as number
            from (
                select
                    *,
                    sum(view_count) over (partition by page_domain, page_path) as total,
                    (
                        select count(distinct events.project_user_id)
                        from amplitude__events as events
                        inner join amplitude__sessions using (session_id)
                        where
                            events.page_domain = pages.page_domain
                            and events.page_path = pages.page_path
                    ) as users
                from amplitude__pages as pages
            )
        ),
        placed as (
            select *, if(users < 5, 41, number) as place
            from ranked
        )
        select
            if(place > 40, 'All other pages', page_path), sum(view_count)::bigint,
            sum(session_count)::bigint, sum(entry_count)::bigint,
            sum(exit_count)::bigint,
            sum(bounce_count) / nullif(sum(entry_count), 0)::double
        from placed
        where viewed_date between $first and $last
        group by 1
        order by max(place) > 40, 2 desc, 1
        """,
        [plain, count, count, count, count, rate],
    ),
    "frustrated_sessions": (
        """
        select
            started_date, avg((session_id in (
                select session_id from amplitude__frustrations
            ))::int),
            count_if(session_id in (select session_id from amplitude__frustrations)),
            count(*)
        from amplitude__sessions
        where started_date between $first and $last
        group by 1
        order by 1
        """,
        [day, rate, count, count],
    ),
    "frustrating_pages": (
        """
        select
            page_path, sum(frustrated_session_count)::bigint,
            sum(session_count)::bigint,
            sum(frustrated_session_count) / sum(session_count)::double
        from amplitude__pages
        where viewed_date between $first and $last
        group by 1
        order by 2 desc, 1
        limit 1
        """,
        [plain, count, count, rate],
    ),
    "frustrating_elements": (
        """
        select
            element, page_path, count(*), sum(rage_click_count)::bigint,
            sum(dead_click_count)::bigint, sum(error_click_count)::bigint,
            sum(thrashed_cursor_count)::bigint, sum(repeat_click_count)::bigint
        from amplitude__frustrations
        where frustrated_date between $first and $last
        group by 1, 2
        order by 3 desc, 1, 2
        limit 1
        """,
        [plain, plain, *[count] * 6],
    ),
    "daily_revenue": (
        """
        select
            revenue_date, revenue, revenue_event_count, paying_user_count,
            average_revenue_per_user, average_revenue_per_paying_user
        from amplitude__daily_revenue
        where revenue_date between $first and $last
        order by 1
        """,
        [day, money, count, count, money, money],
    ),
    "lifetime_value": (
        """
        select
            day_number, sum(revenue) / sum(user_count), sum(revenue),
            sum(paid_user_count)::bigint, sum(user_count)::bigint
        from amplitude__lifetime_values
        where cohort_date between $first and $last and day_number <= 30
        group by 1
        order by 1
        """,
        [count, money, money, count, count],
    ),
}


def expected(warehouse: Warehouse, chart: str, first: str, last: str) -> list[list]:
    query, formats = SHOWN[chart]
    with duckdb.connect(warehouse.settings["WAREHOUSE"], read_only=True) as connection:
        connection.execute("use amplitude")
        parameters = {"first": first, "last": last}
        used = {name: parameters[name] for name in parameters if f"${name}" in query}
        rows = connection.execute(query, used).fetchall()
    return [
        [write(value) for write, value in zip(formats, row, strict=True)]
        for row in rows
    ]
