"""Every figure of `truth/truth.json`, computed from the models by SQL of both targets.

`truth/README.md` defines each. Where a mart holds a figure it is taken from there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

Rows = Callable[[str], list[tuple]]

BASE = "amplitude_staging.base_amplitude__events"
STAGED = "amplitude_staging.stg_amplitude__events"
HOURS = "amplitude_staging.stg_amplitude__upload_hours"
FILES = "amplitude_staging.stg_amplitude__landed_files"
REPEATED = "amplitude.amplitude__repeat_clicks"

CLICK = "[Amplitude] Element Clicked"
USERISH = "coalesce(amplitude_user_id, device_id)"

# A number among an event's properties.
NUMBER = {
    "duckdb": "json_extract_string(event_properties, '$.\"{}\"')::double",
    "snowflake": "event_properties['{}']::double",
}


def compute(target: str, rows: Rows) -> dict[str, Any]:
    """All figures, in the form of `truth.json` (but for `range`)."""
    return {
        "files": files(rows),
        "rows": row_counts(rows),
        "late": late(rows),
        "ids": ids(rows),
        "sessions": {
            "by_amplitude_id": sessions(rows, "amplitude_id"),
            "by_device_id": sessions(rows, "device_id"),
            "by_userish": sessions(rows, USERISH),
        },
        "repeat": repeat(rows),
        "activity by_amplitude_id": activity(rows, "amplitude_id"),
        "activity by_userish": activity(rows, USERISH),
        "revenue": revenue(target, rows),
        "repeat_groups_R1": repeat_groups(rows),
    }


def one(rows: Rows, query: str) -> tuple:
    (row,) = rows(query)
    return row


def named(columns: str, values: Iterable[Any]) -> dict[str, Any]:
    return dict(zip(columns.split(), values, strict=True))


def files(rows: Rows) -> dict[str, Any]:
    count, gz_bytes = one(rows, f"select count(*), sum(byte_count) from {FILES}")
    hours = rows(f"""
        select left(upload_hour_started_at::varchar, 13), status, file_count
        from {HOURS} order by 1
    """)
    per_file = rows(f"""
        select split_part({FILES}.member, '/', -1), count(*)
        from {BASE} inner join {FILES} using (landing_key)
        group by 1
    """)
    return {
        "count": count,
        "gz_bytes": gz_bytes,
        "hours_with_data": sum(status == "landed" for _, status, _ in hours),
        "hours_without_data": [
            hour.replace(" ", "T") for hour, status, _ in hours if status == "empty"
        ],
        "multi_part_hours": sum(count > 1 for _, _, count in hours),
        "rows_per_file": dict(per_file),
    }


def row_counts(rows: Rows) -> dict[str, Any]:
    def counts(column: str, table: str) -> dict[str, int]:
        return dict(rows(f"select {column}, count(*) from {table} group by 1"))

    raw, uuids, null_ids = one(
        rows,
        f"select count(*), count(distinct event_id), count_if(insert_id is null)"
        f" from {BASE}",
    )
    deduplicated = one(rows, f"select count(*) from {STAGED}")[0]
    groups = one(
        rows,
        f"""
        with copies as (
            select
                count(*) as copy_count,
                count(distinct upload_hour) as hour_count,
                count(distinct uploaded_at::date) as day_count,
                count(distinct event_properties::varchar) as content_count
            from (
                select *, left(uploaded_at::varchar, 13) as upload_hour from {BASE}
            ) as landed
            where insert_id is not null
            group by insert_id, device_id
            having count(*) > 1
        )
        select
            count(*), max(copy_count), count_if(hour_count > 1),
            count_if(day_count > 1), count_if(content_count > 1)
        from copies
        """,
    )
    several_devices = one(
        rows,
        f"""
        with shared as (
            select insert_id from {BASE} where insert_id is not null
            group by 1 having count(distinct device_id) > 1
        )
        select count(*) from shared
        """,
    )[0]
    return {
        "raw": raw,
        "distinct_uuid": uuids,
        "deduplicated": deduplicated,
        "duplicate_rows": raw - deduplicated,
        **named(
            "duplicate_groups largest_duplicate_group duplicate_groups_across_hours"
            " duplicate_groups_across_days"
            " duplicate_groups_with_different_event_properties",
            groups,
        ),
        "null_insert_id_rows": null_ids,
        "insert_ids_seen_on_several_devices": several_devices,
        "raw_by_upload_day": counts("uploaded_at::date", BASE),
        "dedup_by_event_day": counts("occurred_date", STAGED),
        "raw_by_event_type": counts("event_type", BASE),
        "dedup_by_event_type": counts("event_type", STAGED),
        "raw_by_library": counts("client_library", BASE),
    }


def late(rows: Rows) -> dict[str, Any]:
    names = (
        "dedup_event_day_before_upload_day dedup_event_day_before_range"
        " dedup_event_after_upload dedup_over_24h_late oldest_event_time"
        " newest_event_time"
    )
    counts = one(
        rows,
        f"""
        select
            count_if(occurred_date < uploaded_date),
            count_if(
                occurred_date < (select min(uploaded_at::date) from {BASE})
            ),
            count_if(occurred_at > uploaded_at),
            count_if(
                datediff('microsecond', occurred_at, uploaded_at) > 86400 * 1000000.0
            ),
            min(occurred_at), max(occurred_at)
        from {STAGED}
        """,
    )
    adjusted = one(
        rows,
        f"select count_if(occurred_at != client_occurred_at) from {STAGED}",
    )
    return named(names, counts) | {
        "clock_adjusted_rows (event_time != client_event_time)": adjusted[0]
    }


def ids(rows: Rows) -> dict[str, Any]:
    amplitude_ids, devices, users, userish, outside = one(
        rows,
        f"""
        select
            count(distinct amplitude_id), count(distinct device_id),
            count(distinct amplitude_user_id), count(distinct {USERISH}),
            count_if(session_id is null)
        from {STAGED}
        """,
    )

    def several(one_of: str, several_of: str) -> int:
        return one(
            rows,
            f"""
            with found as (
                select {one_of} from {STAGED} where {one_of} is not null
                group by 1 having count(distinct {several_of}) > 1
            )
            select count(*) from found
            """,
        )[0]

    return {
        "amplitude_id": amplitude_ids,
        "device_id": devices,
        "user_id_not_null": users,
        "userish (user_id, else device_id)": userish,
        "rows_without_session (session_id = -1)": outside,
        "devices_with_several_amplitude_ids": several("device_id", "amplitude_id"),
        "users_with_several_devices": several("amplitude_user_id", "device_id"),
    }


def sessions(rows: Rows, who: str) -> dict[str, Any]:
    found = f"""
        with sessions as (
            select
                {who} as who,
                amplitude_session_id,
                count(*) as event_count,
                min(occurred_at)::date as start_day,
                max(occurred_at)::date as end_day,
                datediff('microsecond', min(occurred_at), max(occurred_at))
                / 1000000.0 as seconds
            from {STAGED}
            where amplitude_session_id is not null
            group by 1, 2
        )
    """
    totals = one(
        rows,
        f"""
        {found}
        select
            count(*), sum(event_count), count_if(event_count = 1), max(event_count),
            round(sum(seconds), 3), round(avg(seconds), 3), round(median(seconds), 3),
            round(max(seconds), 3), count_if(start_day != end_day)
        from sessions
        """,
    )
    names = (
        "sessions events_in_sessions single_event_sessions max_events total_duration_s"
        " mean_duration_s median_duration_s max_duration_s crossing_midnight_utc"
    )
    by_day = rows(f"{found} select start_day, count(*) from sessions group by 1")
    return named(names, totals) | {"by_start_day": dict(by_day)}


REPEAT_NAMES = (
    "groups events max_events_in_a_group sum_of_avg_gap_s sum_of_duration_s"
    " groups_with_avg_gap_under_1s groups_with_avg_gap_under_2s_and_5_or_more_events"
)
REPEAT_TOTALS = """
    count(*), sum(event_count), max(event_count), round(sum(average_gap_seconds), 3),
    round(sum(duration_seconds), 3), count_if(average_gap_seconds < 1),
    count_if(average_gap_seconds < 2 and event_count >= 5)
"""


def repeat(rows: Rows) -> dict[str, Any]:
    def of_mart(condition: str) -> dict[str, Any]:
        query = f"select {REPEAT_TOTALS} from {REPEATED} where {condition}"
        return named(REPEAT_NAMES, one(rows, query))

    def of_events(keys: str, condition: str, events: str = STAGED) -> dict[str, Any]:
        query = f"""
            with repeated as (
                select
                    {keys},
                    count(*) as event_count,
                    datediff('microsecond', min(occurred_at), max(occurred_at))
                    / 1000000.0 as duration_seconds,
                    duration_seconds / (count(*) - 1) as average_gap_seconds
                from {events}
                where {condition} and amplitude_session_id is not null
                group by {", ".join(str(at + 1) for at in range(keys.count(",") + 1))}
                having count(*) > 2
            )
            select {REPEAT_TOTALS} from repeated
        """
        return named(REPEAT_NAMES, one(rows, query))

    session = "amplitude_id, amplitude_session_id, event_type"
    clicks = f"event_type = '{CLICK}'"
    # Every landed row, repeats too; a repeat's element is that of the event it repeats.
    landed = f"""(
        select
            landed.amplitude_id, landed.event_type, landed.occurred_at,
            nullif(landed.amplitude_session_id, -1) as amplitude_session_id,
            staged.element, staged.page_url
        from {BASE} as landed
        inner join {STAGED} as staged
            on landed.event_id = staged.event_id
            or (
                landed.insert_id = staged.insert_id
                and landed.device_id = staged.device_id
            )
    ) as landed"""
    return {
        "R1 amplitude_id+session+event_type+element+page": of_mart("true"),
        "R1 clicks only": of_mart(clicks),
        "R2 amplitude_id+session+event_type": of_events(session, "true"),
        "R3 amplitude_id+session+event_type+page": of_events(
            f"{session}, page_url", "true"
        ),
        "R4 userish+session+event_type+element": of_events(
            "amplitude_user_id_or_device, amplitude_session_id, event_type, element",
            "true",
            f"(select *, {USERISH} as amplitude_user_id_or_device from {STAGED}) as e",
        ),
        "R5 device+session+clicks+element+page": of_events(
            "device_id, amplitude_session_id, element, page_url", clicks
        ),
        "R1 without deduplication (wrong on purpose)": of_events(
            f"{session}, element, page_url", "true", landed
        ),
    }


def repeat_groups(rows: Rows) -> list[dict[str, Any]]:
    """The mart's rows, by what Amplitude calls the user and the session."""
    names = (
        "amplitude_id session_id event_type element page events avg_gap_s duration_s"
    )
    found = rows(f"""
        with sessions as (
            select distinct session_id, amplitude_id, amplitude_session_id
            from {STAGED} where session_id is not null
        )
        select
            sessions.amplitude_id::bigint, sessions.amplitude_session_id,
            {REPEATED}.event_type, coalesce({REPEATED}.element, ''),
            coalesce({REPEATED}.page_url, ''), {REPEATED}.event_count,
            round({REPEATED}.average_gap_seconds, 6),
            round({REPEATED}.duration_seconds, 6)
        from {REPEATED} inner join sessions using (session_id)
    """)
    return [named(names, row) for row in found]


def activity(rows: Rows, who: str) -> dict[str, Any]:
    days = rows(f"""
        select
            {who},
            occurred_date,
            count_if(
                event_type not in ('session_start', 'session_end')
                and session_id is not null
            )
        from {STAGED}
        where {who} is not null
        group by 1, 2
    """)
    in_range = sorted(
        day for (day,) in rows(f"select distinct uploaded_date from {STAGED}")
    )
    active: dict[str, set[object]] = defaultdict(set)
    active_in_session: dict[str, set[object]] = defaultdict(set)
    first_seen: dict[object, str] = {}
    for user, day, events_in_session in days:
        active[day].add(user)
        if events_in_session:
            active_in_session[day].add(user)
        first_seen[user] = min(day, first_seen.get(user, day))
    cohorts = {day: {u for u in first_seen if first_seen[u] == day} for day in in_range}
    retention: dict[str, Any] = {
        day: {
            "new_users": len(cohorts[day]),
            "active_on_day_k": {
                str(k): len(cohorts[day] & active[in_range[at + k]])
                if at + k < len(in_range)
                else None
                for k in range(8)
            },
        }
        for at, day in enumerate(in_range)
    }
    day7 = [
        (cohort["active_on_day_k"]["7"], cohort["new_users"])
        for cohort in retention.values()
        if cohort["active_on_day_k"]["7"] is not None
    ]
    return {
        "dau": {day: len(active[day]) for day in in_range},
        "dau_in_session_events_only": {
            day: len(active_in_session[day]) for day in in_range
        },
        "range_active_users": len(set().union(*(active[day] for day in in_range))),
        "first_seen_before_range": sum(
            day < in_range[0] for day in first_seen.values()
        ),
        "new_users": {day: len(cohorts[day]) for day in in_range},
        "retention": retention,
        "day7_retention_pooled": (
            sum(active for active, _ in day7) / sum(size for _, size in day7)
            if day7
            else None
        ),
    }


def revenue(target: str, rows: Rows) -> dict[str, Any]:
    number = NUMBER[target].format
    count, total = one(
        rows,
        f"""
        select
            count(*),
            round(
                sum(
                    coalesce(
                        {number("$revenue")}, {number("$price")} * {number("$quantity")}
                    )
                ),
                2
            )
        from {STAGED} where event_type = 'revenue_amount'
        """,
    )
    return {
        "revenue_amount_events": count,
        "sum ($revenue, else $price*$quantity)": total,
    }
