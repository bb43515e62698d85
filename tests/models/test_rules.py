"""Sessions, bounces, lengths and purchases, counted by hand on both targets."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from test_people import land, row
from warehouses import Warehouse, emulator, make, open_duckdb, open_snowflake

pytestmark = pytest.mark.xdist_group("rules")

VIEW = "[Amplitude] Page Viewed"
PUSH = "Push Received"
RAGE = "[Amplitude] Rage Click"
VARIABLES = f"{{inactive_event_types: ['{PUSH}'], longest_session_hours: 2}}"
SESSIONS, REVENUE, SUSPECT, PERSONAL = 301, 302, 303, 304
AMOUNT, UNVERIFIED, VERIFIED = (
    "revenue_amount",
    "unverified_revenue",
    "verified_revenue",
)


def event(
    project: int, number: int, time: str, session: int, event_type: str, **fields
) -> dict:
    occurred_at = datetime.fromisoformat(f"2026-{time}")
    return row(
        project,
        number,
        occurred_at,
        session_id=session,
        event_type=event_type,
        **fields,
    )


def view(number: int, time: str, session: int, url: str) -> dict:
    page = {"[Amplitude] Page URL": f"https://shop.example{url}"}
    return event(SESSIONS, number, time, session, VIEW, event_properties=page)


FIRST_LOAD = [
    # One page, reloaded; a push before and one after, both of the session's number.
    event(SESSIONS, 1, "03-01 09:00:00", 1, PUSH),
    view(2, "03-01 10:00:00", 1, "/"),
    view(3, "03-01 10:00:10", 1, "/?again"),
    event(SESSIONS, 4, "03-01 10:05:00", 1, PUSH),
    # A push alone.
    event(SESSIONS, 5, "03-01 11:00:00", 2, PUSH),
    # Two pages and a click.
    view(6, "03-01 12:00:00", 3, "/a"),
    view(7, "03-01 12:00:30.25", 3, "/b"),
    event(SESSIONS, 8, "03-01 12:00:31", 3, "Click"),
    # A microsecond longer than two hours, and two hours.
    view(9, "03-01 13:00:00", 4, "/a"),
    event(SESSIONS, 10, "03-01 15:00:00.000001", 4, "Click"),
    view(11, "03-01 16:00:00", 5, "/c"),
    event(SESSIONS, 12, "03-01 18:00:00", 5, "Click"),
    # No page.
    event(SESSIONS, 13, "03-01 20:00:00", 6, "Click"),
    # One page, before midnight.
    view(14, "03-01 23:59:59", 7, "/d"),
]
SECOND_LOAD = [
    # The same page after midnight, and a push later still.
    view(15, "03-02 00:00:05", 7, "/d"),
    event(SESSIONS, 16, "03-02 09:00:00", 7, PUSH),
]


def earned(
    number: int,
    time: str,
    event_type: str,
    product: str,
    project: int = REVENUE,
    session: int = 1,
    os_name: str = "Chrome",
    **properties: float,
) -> dict:
    values = {f"${name}": value for name, value in properties.items()}
    return event(
        project,
        number,
        time,
        session,
        event_type,
        os_name=os_name,
        event_properties={"$productId": product} | values,
    )


FIRST_PURCHASES = [
    # Its companion is of the next day, another session and the second load.
    earned(1, "03-01 23:59:59.800", AMOUNT, "lamp", price=10, quantity=2),
    # Alone.
    earned(2, "03-01 12:00:00", AMOUNT, "rug", price=5),
    # With a discount.
    earned(3, "03-01 12:30:00", AMOUNT, "mug", price=4),
    earned(4, "03-01 12:30:00", VERIFIED, "mug", revenue=3.5),
    # A refund, and a sale by the company's own event.
    earned(5, "03-01 13:00:00", AMOUNT, "mug", price=-2),
    earned(6, "03-01 13:00:00", "Sale", "mug", revenue=8),
    # Two in a second, each with its companion.
    earned(7, "03-01 14:00:00", AMOUNT, "pen", price=0.1),
    earned(8, "03-01 14:00:00", UNVERIFIED, "pen", revenue=0.1),
    earned(9, "03-01 14:00:00.5", AMOUNT, "pen", price=0.2),
    earned(10, "03-01 14:00:00.5", UNVERIFIED, "pen", revenue=0.2),
    # A bot.
    earned(11, "03-01 15:00:00", AMOUNT, "rug", os_name="bingbot", price=7),
    earned(12, "03-01 15:00:00", UNVERIFIED, "rug", os_name="bingbot", revenue=7),
    # What no shop sells.
    earned(13, "03-01 16:00:00", AMOUNT, "rug", price=1e15, quantity=10),
]
SECOND_PURCHASES = [
    earned(14, "03-02 00:00:00.200", UNVERIFIED, "lamp", session=-1, revenue=20)
]
# Half a minute apart: hardly two purchases.
SUSPECT_PURCHASES = [
    earned(1, "03-01 12:00:00", AMOUNT, "rug", SUSPECT, price=9),
    earned(2, "03-01 12:00:30", UNVERIFIED, "rug", SUSPECT, revenue=9),
    earned(3, "03-01 12:10:00", UNVERIFIED, "rug", SUSPECT, revenue=9),
]


def personal(user: int, number: int, event_type: str, path: str, text: str) -> dict:
    """What a user does on a page that shows personal data of this user."""
    return event(
        PERSONAL,
        10 * user + number,
        "03-01 12:00:00",
        1,
        event_type,
        amplitude_id=user,
        device_id=f"phone {user}",
        event_properties={
            "[Amplitude] Page Domain": "shop.example",
            "[Amplitude] Page Path": path,
            "[Amplitude] Element Text": text,
        },
    )


# Two users more than the report needs to name a page, and one page of four users.
PERSONAL_DATA = [
    one
    for user in range(7)
    for one in (
        personal(user, 1, VIEW, f"/account/anna{user}@example.com/orders", ""),
        personal(user, 2, RAGE, "/account/", f"Log out anna{user}@example.com"),
        personal(user, 3, RAGE, "/account/", f"Hello Anna No. {user}"),
        personal(user, 4, VIEW, "/help/" if user < 4 else "/", ""),
        personal(user, 5, f"Viewed Anna No. {user}", "/account/", ""),
    )
]


@pytest.fixture(scope="module")
def on_duckdb(tmp_path_factory) -> Warehouse:
    """Two loads, each built."""
    folder = tmp_path_factory.mktemp("rules")
    warehouse = open_duckdb(folder / "landing", folder)
    land_first(warehouse.landing)
    warehouse.run("--vars", VARIABLES)
    land_second(warehouse.landing)
    warehouse.run("--vars", VARIABLES)
    return warehouse


@pytest.fixture(scope="module")
def on_snowflake(tmp_path_factory) -> Iterator[Warehouse]:
    """Both loads in one build, on the emulator."""
    folder = tmp_path_factory.mktemp("rules_on_snowflake")
    land_first(folder / "landing")
    land_second(folder / "landing")
    with emulator(folder / "landing") as variables:
        warehouse = open_snowflake(folder / "landing", folder, variables)
        warehouse.run("--vars", VARIABLES)
        yield warehouse


@pytest.fixture(params=["duckdb", "snowflake"])
def built(request) -> Warehouse:
    return request.getfixturevalue(f"on_{request.param}")


def land_first(landing: Path) -> None:
    land(landing, "first", SESSIONS, datetime(2026, 3, 1), *FIRST_LOAD)
    land(landing, "first", REVENUE, datetime(2026, 3, 1), *FIRST_PURCHASES)
    land(landing, "first", SUSPECT, datetime(2026, 3, 1), *SUSPECT_PURCHASES)
    land(landing, "first", PERSONAL, datetime(2026, 3, 1), *PERSONAL_DATA)


def land_second(landing: Path) -> None:
    land(landing, "second", SESSIONS, datetime(2026, 3, 2), *SECOND_LOAD)
    land(landing, "second", REVENUE, datetime(2026, 3, 2), *SECOND_PURCHASES)


def test_sessions_have_active_events_only(built):
    sessions = built.rows(
        "select amplitude_session_id, event_count, page_view_count, started_at,"
        " duration_seconds, is_bounced, is_overlong"
        " from amplitude.amplitude__sessions"
        f" where project_id = '{SESSIONS}' order by 1"
    )
    assert sessions == [
        (1, 2, 2, "2026-03-01 10:00:00", 10, True, False),
        (3, 3, 2, "2026-03-01 12:00:00", 31, False, False),
        (4, 2, 1, "2026-03-01 13:00:00", 7200.000001, True, True),
        (5, 2, 1, "2026-03-01 16:00:00", 7200, True, False),
        (6, 1, 0, "2026-03-01 20:00:00", 0, False, False),
        (7, 2, 2, "2026-03-01 23:59:59", 6, True, False),
    ]


def test_every_model_counts_the_same_sessions(built):
    users = built.rows(
        "select session_count, event_count, average_session_seconds"
        f" from amplitude.amplitude__users where project_id = '{SESSIONS}'"
    )
    assert users == [(6, 16, (10 + 31 + 7200 + 0 + 6) / 5)]
    days = built.rows(
        "select event_date, event_type, event_count, session_count"
        " from amplitude.amplitude__daily_performance"
        f" where project_id = '{SESSIONS}' order by 1, 2"
    )
    assert days == [
        ("2026-03-01", "Click", 4, 4),
        ("2026-03-01", PUSH, 3, 0),
        ("2026-03-01", VIEW, 7, 5),
        ("2026-03-02", PUSH, 1, 0),
        ("2026-03-02", VIEW, 1, 1),
    ]
    for table, column, count in (
        ("lateness", "sum(session_count)", 7),
        ("load_audit", "sum(session_event_count)", 12),
        ("events", "count(session_id)", 12),
        ("events", "count(amplitude_session_id)", 16),
        ("journeys", "count(distinct session_id)", 6),
        ("attribution", "max(session_count)", 6),
    ):
        query = f"select {column} from amplitude.amplitude__{table}"
        query += f" where project_id = '{SESSIONS}'"
        assert built.value(query) == count, table


def test_pages_bounce_once_a_session(built):
    pages = built.rows(
        "select viewed_date, page_path, view_count, entry_count, exit_count,"
        " bounce_count, average_seconds, median_seconds"
        " from amplitude.amplitude__pages"
        f" where project_id = '{SESSIONS}' order by 1, 2"
    )
    assert pages == [
        ("2026-03-01", "/", 2, 1, 1, 1, 5, 5),
        # the view in the long session has no length
        ("2026-03-01", "/a", 2, 2, 1, 1, 30.25, 30.25),
        ("2026-03-01", "/b", 1, 0, 1, 0, 0.75, 0.75),
        ("2026-03-01", "/c", 1, 1, 1, 1, 7200, 7200),
        ("2026-03-01", "/d", 1, 1, 0, 1, 6, 6),
        ("2026-03-02", "/d", 1, 0, 1, 0, 0, 0),
    ]


def test_purchases_are_paired_one_to_one(built):
    purchases = built.rows(
        "select project_event_id, event_count, revenue, is_bot"
        " from amplitude_intermediate.int_amplitude__purchases"
        f" where project_id = '{REVENUE}' order by happened_at, project_event_id"
    )
    assert purchases == [
        ("302/302-2", 1, 5, False),
        ("302/302-4", 2, 3.5, False),
        ("302/302-5", 1, -2, False),
        ("302/302-6", 1, 8, False),
        ("302/302-8", 2, 0.1, False),
        ("302/302-10", 2, 0.2, False),
        ("302/302-12", 2, 7, True),
        ("302/302-14", 2, 20, False),
    ]


def test_every_model_has_the_same_revenue(built):
    """Without rounding: a sum of decimals."""
    days = built.rows(
        "select revenue_date, revenue, revenue_event_count, paying_user_count"
        f" from amplitude.amplitude__daily_revenue where project_id = '{REVENUE}'"
        " and revenue_event_count > 0 order by 1"
    )
    assert days == [("2026-03-01", 14.8, 6, 1), ("2026-03-02", 20, 1, 1)]
    for table, column, condition in (
        ("lifetime_values", "max(revenue)", "true"),
        ("attribution", "sum(revenue)", "touch = 'first'"),
        ("events", "sum(revenue::decimal(28, 9))", "not is_bot"),
    ):
        query = f"select {column} from amplitude.amplitude__{table} where {condition}"
        assert built.value(f"{query} and project_id = '{REVENUE}'") == 34.8, table


def test_a_purchase_that_counts_twice_is_warned_of(on_duckdb):
    on_duckdb.test("--select", "assert_no_purchase_is_counted_twice")
    target = Path(on_duckdb.environment()["DBT_TARGET_PATH"])
    results = json.loads((target / "run_results.json").read_text())["results"]
    (result,) = [one for one in results if one["unique_id"].startswith("test.")]
    assert (result["status"], result["failures"]) == ("warn", 1)


def test_marts_by_page_hold_no_personal_data(built):
    pages = built.rows(
        "select page_path, sum(view_count), sum(visitor_count)"
        f" from amplitude.amplitude__pages where project_id = '{PERSONAL}'"
        " group by 1 order by 1"
    )
    assert pages == [("/", 3, 3), ("/account/:email/orders", 7, 7), ("/help/", 4, 4)]
    elements = built.rows(
        "select element, count(distinct session_id)"
        f" from amplitude.amplitude__frustrations where project_id = '{PERSONAL}'"
        " and element ilike '%log%' group by 1"
    )
    assert elements == [("Log out :email", 7)]


def test_events_keep_what_was_exported(built):
    query = "select count(distinct page_path) from amplitude.amplitude__events"
    assert (
        built.value(f"{query} where page_path like '/account/anna_@example.com/%'") == 7
    )


def test_the_report_names_only_what_many_users_saw(on_duckdb, tmp_path):
    run = make(
        "report", environment=on_duckdb.environment() | {"REPORT": str(tmp_path)}
    )
    assert run.returncode == 0, run.stdout
    report = (tmp_path / "index.html").read_text()
    for shown in ("/account/:email/orders", "Log out :email", '"/account/"'):
        assert shown in report
    for hidden in ("@example.com", "anna", "Anna", "/help/"):
        assert hidden not in report


# Texts with personal data, and what is left of them with the default rules.
MASKED = {
    "/account/some.one+x@mail.example.co.uk/orders": "/account/:email/orders",
    "/account/someone%40example.com/orders": "/account/:email/orders",
    "/account/someone%2540example.com": "/account/:email",
    "Log out jürgen@exämple.de": "Log out :email",
    "jane＠example.com": ":email",
    "doe,jane&#64;example.com": ":email",
    "mailto:a@example.com?subject=Hi": "mailto::email?subject=Hi",
    "a@example.com, b@example.com": ":email, :email",
    "/reset/9f86d081884c7d659a2feaa0c55ad015": "/reset/:token",
    "/verify/Xk29dA/done": "/verify/:token/done",
    "/t/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0": (
        "/t/:id"
    ),
    "/o/550E8400-e29b-41d4-a716-446655440000/x": "/o/:id/x",
    "/t/q7Wdeadbeefdeadbeef01zQk9LmX": "/t/:id",
    "/t/SplxlOBeZQQYbYS6WxSbIA": "/t/:id",
    "/t/cus_Nf8gH2kL9": "/t/:id",
    "/t/qWeRtYuIoPaSdFgHjKlZxCvBnMqWeRtY": "/t/:id",
    "Card 4111 1111 1111 1111 ends 12/29": "Card :number ends 12/29",
    "Pay with 4111-1111-1111-1111": "Pay with :number",
    "Pay with 4111\u00a01111\u00a01111\u00a01111": "Pay with :number",
    "Pay with 4111–1111–1111–1111": "Pay with :number",
    "Call +49 (170) 123 45-67": "Call :number",
    "Call +49 (0)30 / 901 820": "Call :number",
    "tel:+491701234567": "tel::number",
    "/orders/100234/items/2": "/orders/:number/items/2",
    "From 8.8.8.8 or 2001:db8::ff00:42:8329": "From :ip or :ip",
    "/born/1990-12-01/": "/born/:date/",
    # Nothing personal.
    "/product/k4/": "/product/k4/",
    "/product/iphone-15-pro-256gb": "/product/iphone-15-pro-256gb",
    "/blog/2026/01/12/winter-light/": "/blog/2026/01/12/winter-light/",
    "/datenschutzbestimmungen/": "/datenschutzbestimmungen/",
    "addToCartButton": "addToCartButton",
    "iPhone15ProMax": "iPhone15ProMax",
    "Puzzle 1,000 pcs": "Puzzle 1,000 pcs",
    "Mon 10:00 - 18:00": "Mon 10:00 - 18:00",
    "2 items @ 5 €": "2 items @ 5 €",
    "Лампа «Север»": "Лампа «Север»",
}


def test_the_default_rules_mask_personal_data(built):
    """On DuckDB and on the emulator, which is DuckDB: not on Snowflake's own engine."""
    code = "{{ masked('text') }}"
    printed = built.dbt("--quiet", "compile", "--inline", code, "--output", "json")
    expression = json.loads(printed)["compiled"]
    texts = ", ".join(f"($${text}$$)" for text in MASKED)
    rows = built.rows(f"select text, {expression} from (values {texts}) as t (text)")
    assert dict(rows) == MASKED
