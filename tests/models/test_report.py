"""The report in a real browser: what it shows is what the marts hold, and no more."""

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from browsers import choose_days, chromium, drawn, opened, table
from playwright.sync_api import Browser, Page
from shown import SHOWN, day, expected
from warehouses import REPOSITORY, Warehouse, make, plain

from report.contents import SECTIONS
from report.page import render
from report.warehouse import Answer

pytestmark = pytest.mark.xdist_group("sample")

CHARTS = [chart.name for section in SECTIONS for chart in section.charts]
FIRST, LAST = "2026-01-12", "2026-01-18"
LAST_HOUR = datetime(2026, 1, 18, 23)
HOSTILE = "</script><img src=x onerror=alert(1)>"
FORMULA = "=cmd|' /C calc'!A0"


def make_report(warehouse: Warehouse, folder: Path, **settings: str) -> Path:
    """`make report`; returns the page."""
    report = {"REPORT": str(folder), "REPORT_AGE": "none"}
    environment = warehouse.environment() | report | settings
    run = make("report", environment=environment)
    assert run.returncode == 0, run.stdout
    return folder / "index.html"


def held(page: Path, name: str) -> dict:
    """What a page holds: `settings` or `answers`."""
    pattern = rf'<script type="application/json" id="{name}">(.*?)</script>'
    found = re.search(pattern, page.read_text())
    assert found, name
    return json.loads(found[1])


@pytest.fixture(scope="module")
def page(sample_duckdb, tmp_path_factory) -> Path:
    """The report on the sample export."""
    return make_report(sample_duckdb, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def tab(browser, page) -> Iterator[Page]:
    with opened(browser, page) as tab:
        yield tab


def test_every_chart_draws(tab):
    assert tab.locator("figure").count() == len(CHARTS)
    for chart in CHARTS:
        marks = tab.locator(
            f"#{chart} svg :is(.mark-rect, .mark-line, .mark-symbol) path"
        )
        assert marks.count() > 2, chart
        box = tab.locator(f"#{chart} svg").bounding_box()
        assert box["width"] > 300 and box["height"] > 100, chart


@pytest.mark.parametrize(
    ("first", "last"), [(FIRST, LAST), ("2026-01-14", "2026-01-15")]
)
def test_the_numbers_are_those_of_the_marts(tab, sample_duckdb, first, last):
    """Every table, of all days and of some."""
    choose_days(tab, first, last)
    for chart in SHOWN:
        wanted = expected(sample_duckdb, chart, first, last)
        assert wanted, chart
        columns = len(wanted[0])
        rows = [row[:columns] for row in table(tab, chart)]
        assert rows[: len(wanted)] == wanted, chart


# Marts of days and weeks, and the column that says which.
DATED = {
    "amplitude__active_users": "active_date",
    "amplitude__stickiness": "period_started_date",
    "amplitude__retention": "cohort_date",
    "amplitude__lifecycle": "period_started_date",
    "amplitude__daily_revenue": "revenue_date",
    "amplitude__lifetime_values": "cohort_date",
    "amplitude__funnels": "entered_date",
}
WEEKS = 70
LONG = [
    "active_users",
    "daily_monthly",
    "active_days",
    "retention",
    "lifecycle",
    "daily_revenue",
    "lifetime_value",
]


@pytest.fixture(scope="module")
def long_history(sample_duckdb, tmp_path_factory) -> Warehouse:
    """The sample's days and weeks again in each of 69 weeks before."""
    folder = tmp_path_factory.mktemp("long")
    warehouse = replace(sample_duckdb, folder=folder)
    path = folder / "warehouse.duckdb"
    warehouse.settings = sample_duckdb.settings | {"WAREHOUSE": str(path)}
    shutil.copy(sample_duckdb.settings["WAREHOUSE"], path)
    with duckdb.connect(path) as connection:
        for mart, column in DATED.items():
            # What came late would lie on days of the weeks before.
            connection.execute(
                f"delete from amplitude.{mart} where {column} < '{FIRST}'"
            )
            connection.execute(f"""
                insert into amplitude.{mart} by name
                select mart.* replace ({column} - 7 * week::int as {column})
                from amplitude.{mart} as mart, range(1, {WEEKS}) as weeks(week)
            """)
        for hours in (
            "amplitude_staging.stg_amplitude__upload_hours",
            "amplitude.amplitude__load_audit",
        ):
            connection.execute(f"""
                insert into {hours} by name
                select hours.* replace (
                    upload_hour_started_at - to_days(7 * week::int)
                        as upload_hour_started_at
                )
                from {hours} as hours, range(1, {WEEKS}) as weeks(week)
            """)
    return warehouse


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-01-13", "2026-01-13"),
        ("2025-12-01", "2025-12-07"),
        ("2025-10-20", "2026-01-18"),
        ("2024-12-15", "2026-01-18"),
    ],
    ids=["a day", "seven days", "three months", "thirteen months"],
)
def test_the_numbers_follow_the_chosen_days(
    browser, long_history, tmp_path, first, last
):
    """Of a history that is longer than the page."""
    page = make_report(long_history, tmp_path)
    assert page.stat().st_size < 2_500_000
    with opened(browser, page) as tab:
        assert tab.get_attribute("#from", "min") == "2024-12-15"
        choose_days(tab, first, last)
        for chart in LONG:
            wanted = expected(long_history, chart, first, last)
            assert wanted, chart
            rows = [row[: len(wanted[0])] for row in table(tab, chart)]
            assert rows[: len(wanted)] == wanted, chart
        if first < "2025":
            for chart in ("active_users", "revenue"):
                labels = tab.locator(f"#{chart} svg .role-axis-label text")
                assert re.search(r"\w{3} 2025", " ".join(labels.all_text_contents()))


def test_tiles_add_up_the_chosen_days(tab, sample_duckdb):
    choose_days(tab, "2026-01-13", "2026-01-16")
    days = "between '2026-01-13' and '2026-01-16'"
    new_users, sessions, revenue = (
        sample_duckdb.value(f"select sum({measure}) from amplitude.{mart} where {day}")
        for measure, mart, day in [
            ("new_user_count", "amplitude__active_users", f"active_date {days}"),
            ("1", "amplitude__sessions", f"started_date {days}"),
            ("revenue", "amplitude__daily_revenue", f"revenue_date {days}"),
        ]
    )
    active_users = sample_duckdb.value(
        "select daily_active_user_count from amplitude.amplitude__active_users"
        " where active_date = '2026-01-16'"
    )
    wanted = {
        "active_users": f"{active_users:,}",
        "new_users": f"{new_users:,}",
        "sessions": f"{sessions:,}",
        "revenue": f"{revenue:,.0f}",
    }
    for tile, value in wanted.items():
        assert tab.inner_text(f"#tile-{tile} .value") == value


def test_funnels_stand_in_the_order_in_which_they_are_declared(tab):
    declared = yaml.safe_load((REPOSITORY / "dbt/dbt_project.yml").read_text())
    options = tab.locator("#funnel-funnel option").all_inner_texts()
    assert options == list(declared["vars"]["funnels"])


def test_tiles_are_compared_with_the_same_days_of_the_week(browser, long_history):
    """Four days from Tuesday are compared with the Tuesday to Friday before."""
    page = make_report(long_history, long_history.folder / "compared")
    now, before = (
        long_history.value(
            "select sum(new_user_count) from amplitude.amplitude__active_users"
            f" where active_date between '{first}' and '{last}'"
        )
        for first, last in [("2026-01-06", "2026-01-09"), ("2025-12-30", "2026-01-02")]
    )
    with opened(browser, page) as tab:
        choose_days(tab, "2026-01-06", "2026-01-09")
        note = tab.inner_text("#tile-new_users .note")
        assert note.endswith("30 Dec 2025 to 2 Jan 2026")
        wanted = f"{abs(now / before - 1):.1%}" if now != before else "same as"
        assert wanted in note
        assert tab.inner_text("#tile-active_users .note").endswith(" 2 Jan 2026")
        # These marts never have 30 days that are all loaded.
        assert "not all 30 days" in tab.inner_text("#tile-monthly_users .note")
        assert "not all 30 days" in tab.inner_text("#tile-stickiness .note")
        # The week before the first day is not loaded.
        first = tab.get_attribute("#from", "min") or ""
        choose_days(tab, first, first)
        assert tab.inner_text("#tile-new_users .note") == "in the chosen days"


ACTIVE_USERS = "amplitude.amplitude__active_users"


def change(warehouse: Warehouse, statement: str) -> None:
    with duckdb.connect(warehouse.settings["WAREHOUSE"]) as connection:
        connection.execute(statement)


def test_days_that_are_not_all_loaded_are_not_compared(browser, long_history):
    first, last = "2026-01-06", "2026-01-09"
    for date_ in ("2025-12-31", "2026-01-07"):
        of_day = f"where active_date = '{date_}'"
        change(long_history, f"update {ACTIVE_USERS} set is_complete = false {of_day}")
        page = make_report(long_history, long_history.folder / date_)
        change(long_history, f"update {ACTIVE_USERS} set is_complete = true {of_day}")
        with opened(browser, page) as tab:
            choose_days(tab, first, last)
            note = tab.inner_text("#tile-new_users .note")
            assert note == "in the chosen days"


def wait_until(tab: Page, condition: str) -> None:
    """Playwright's own would need eval in the page, which the page forbids."""
    for _ in range(400):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(50)
    raise AssertionError(condition)


def test_a_link_shows_the_same_view(browser, page):
    with opened(browser, page) as tab:
        assert "#" not in tab.url
        choose_days(tab, "2026-01-13", "2026-01-15")
        tab.select_option("#retention-period", "week")
        tab.select_option("#funnel-funnel", "help")
        tab.click(".bar nav a[href='#revenue']")
        drawn(tab)
        assert "section=revenue" in tab.url
        link, sessions = tab.url, tab.inner_text("#tile-sessions .value")
    with opened(browser, page) as tab:
        assert tab.inner_text("#tile-sessions .value") != sessions
        tab.evaluate("hash => { location.hash = hash }", link.partition("#")[2])
        wait_until(tab, "document.getElementById('from').value == '2026-01-13'")
        drawn(tab)
        assert tab.inner_text("#tile-sessions .value") == sessions
        assert tab.input_value("#to") == "2026-01-15"
        assert tab.input_value("#retention-period") == "week"
        assert tab.input_value("#funnel-funnel") == "help"
        title = "document.getElementById('revenue-title').getBoundingClientRect()"
        wait_until(tab, f"{title}.top < innerHeight")


@pytest.mark.parametrize(
    "address",
    [
        "from=2026-99-99&to=2026-01-15",
        "from=<img src=x onerror=alert(1)>&to=2026-01-15",
        "from=1999-01-01&to=2099-01-01&project=nobody&funnel-funnel=none",
        "main",
    ],
)
def test_an_address_that_makes_no_sense_does_no_harm(browser, page, address):
    with opened(browser, page) as tab:
        tab.evaluate("hash => { location.hash = hash }", address)
        tab.wait_for_timeout(300)
        drawn(tab)
        assert (tab.input_value("#from"), tab.input_value("#to")) == (FIRST, LAST)
        assert tab.input_value("#funnel-funnel") == "purchase"


def test_each_card_links_to_its_marts_and_shows_its_sql(tab, sample_duckdb):
    folder = Path(sample_duckdb.environment()["DBT_TARGET_PATH"])
    nodes = json.loads((folder / "manifest.json").read_text())["nodes"]
    for section in SECTIONS:
        for chart in section.charts:
            source = tab.locator(f"#{chart.name} .source")
            source.locator("summary").click()
            links = source.locator("a")
            assert links.count(), chart.name
            for link in links.all():
                page, _, model = (link.get_attribute("href") or "").partition(
                    "#!/model/"
                )
                assert page == "../docs/index.html"
                assert nodes[model]["name"] == link.inner_text()
            columns, _ = sample_duckdb.ask(source.locator("code").last.inner_text())
            assert "project_id" in columns


def test_the_header_shows_the_age_of_the_data(browser, sample_duckdb, tmp_path):
    """By the thresholds of the source, at the moment at which the page is read."""
    settings = {"REPORT_AGE": "", "DATA": str(tmp_path)}
    page = make_report(sample_duckdb, tmp_path, **settings)
    for hours, state, words in [
        (25, "good", ""),
        (27, "late", "ended 27 hours ago; after 26 hours a load is late."),
        (49, "late", "ended 49 hours ago"),
        (51, "bad", "ended 51 hours ago"),
        (24 * 10, "bad", "ended 10 days ago"),
    ]:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        now = LAST_HOUR.replace(tzinfo=UTC) + timedelta(hours=1 + hours)
        context.clock.set_fixed_time(now)
        tab = context.new_page()
        tab.goto(page.as_uri())
        card = tab.locator("[data-load]")
        kinds = set((card.get_attribute("class") or "").split())
        assert kinds & {"good", "late", "bad"} == {state}, hours
        assert words in card.inner_text()
        assert card.locator(".age").is_visible() == bool(words)
        context.close()


def test_the_theme_is_kept(browser, page):
    with opened(browser, page, color_scheme="light") as tab:
        tab.click("#theme")
        again = tab.context.new_page()
        again.goto(page.as_uri())
        drawn(again)
        assert again.evaluate(GROUND) == DARK


def test_the_header_shows_the_state_of_the_load(tab, sample_duckdb):
    events = sample_duckdb.value(
        "select count(*) from amplitude_staging.stg_amplitude__events"
    )
    assert tab.inner_text("[data-load] h2") == "Complete through 18 Jan 2026, 23:00 UTC"
    facts = dict(
        zip(
            *(tab.locator(f".facts {tag}").all_inner_texts() for tag in ("dt", "dd")),
            strict=True,
        )
    )
    assert facts == {
        "Events": f"{events:,}",
        "Duplicates removed": "516",
        "Upload hours": "166",
        "Empty hours": "2",
        "Open hours": "0",
    }


def test_both_targets_give_the_same_answers(sample_snowflake, page, tmp_path):
    """To nine digits: sums of floats depend on the order of the rows."""
    other = make_report(sample_snowflake, tmp_path)

    def answers(path: Path) -> dict[str, list[str]]:
        return {
            name: sorted(json.dumps([plain(value) for value in row]) for row in rows)
            for name, rows in (
                (name, answer["rows"]) for name, answer in held(path, "answers").items()
            )
        }

    assert answers(other) == answers(page)


# ---- How it behaves


def test_every_id_is_there_once(tab):
    ids = tab.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_presets_and_choices_are_followed(tab):
    choose_days(tab, "2026-01-14", "2026-01-15")
    tab.get_by_role("button", name="All", exact=True).click()
    drawn(tab)
    assert (tab.input_value("#from"), tab.input_value("#to")) == (FIRST, LAST)
    # The other way round, and beyond what is there.
    choose_days(tab, "2030-01-01", "2026-01-17")
    assert (tab.input_value("#from"), tab.input_value("#to")) == ("2026-01-17", LAST)

    by_day = table(tab, "lifecycle")
    tab.select_option("#lifecycle-period", "week")
    tab.wait_for_function(
        "() => document.querySelectorAll('#lifecycle tbody tr').length === 1"
    )
    assert table(tab, "lifecycle") != by_day
    assert table(tab, "lifecycle")[0][0] == day(date(2026, 1, 12))


def test_a_segment_can_be_chosen(tab, sample_duckdb):
    tab.select_option("#segments-segment", "user_type")
    tab.select_option("#segments-period", "month")
    wanted = sample_duckdb.rows(
        """
        select segment_value, active_user_count
        from amplitude.amplitude__segments
        where
            segment = 'user_type'
            and period = 'month'
            and period_started_date = '2026-01-01'
        order by 2 desc
        """
    )
    rows = table(tab, "segments")
    assert [row[:2] for row in rows] == [[name, f"{n:,}"] for name, n in wanted]


def test_it_can_be_used_without_a_mouse(tab):
    """Everything that can be worked is reached in order, seen, and worked."""
    reached = []
    for _ in range(200):
        tab.keyboard.press("Tab")
        focused = tab.evaluate(
            """() => {
                const one = document.activeElement;
                const { outlineStyle } = getComputedStyle(one);
                return [one.tagName, one.id || one.textContent.trim(), outlineStyle];
            }"""
        )
        if focused[0] == "BODY":
            break
        assert focused[2] != "none", focused
        reached.append(focused[1])
    assert reached[0] == "Skip to the charts"
    assert {"theme", "from", "to", "lifecycle-period", "funnel-funnel"} <= set(reached)
    assert reached.count("Numbers") == len(CHARTS)

    tab.focus("#active_users .numbers summary")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#active_users tbody tr")
    choose_days(tab, "2026-01-14", "2026-01-15")
    tab.get_by_role("button", name="All", exact=True).focus()
    tab.keyboard.press("Space")
    drawn(tab)
    assert table(tab, "active_users")[0][0] == day(date.fromisoformat(FIRST))


def test_each_chart_is_named_and_described(tab):
    for chart in SECTIONS[0].charts:
        figure = tab.get_by_role("figure", name=chart.title, exact=True)
        assert figure.get_by_role("img", name=chart.title).count() == 1
        assert chart.question in figure.inner_text()
        assert chart.about in figure.inner_text()
    landmarks = ("banner", "main", "contentinfo", "navigation")
    assert [tab.get_by_role(landmark).count() for landmark in landmarks] == [1] * 4


CONTRASTS = """() => {
    const probe = document.body.appendChild(document.createElement("i"));
    const light = (name) => {
        probe.style.color = `var(--${name})`;
        const channels = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3);
        const [r, g, b] = channels.map((channel) => {
            const part = channel / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => {
        const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
    };
    const found = {};
    for (const text of ["text", "muted", "link"])
        for (const ground of ["card", "page"])
            found[`${text} on ${ground}`] = contrast(text, ground) / 4.5;
    for (const shade of [0, 1, 2, 3, 4])
        found[`low on ${shade}`] = contrast("on-heat-low", `heat-${shade}`) / 4.5;
    for (const shade of [5, 6, 7])
        found[`high on ${shade}`] = contrast("on-heat-high", `heat-${shade}`) / 4.5;
    for (const series of [1, 2, 3, 4, 5])
        found[`series ${series}`] = contrast(`series-${series}`, "card") / 3;
    return found;
}"""


def style(selector: str, name: str) -> str:
    return f"() => getComputedStyle(document.querySelector('{selector}')).{name}"


GROUND = style("body", "backgroundColor")
LIGHT, DARK = "rgb(246, 247, 249)", "rgb(14, 17, 22)"


@pytest.mark.parametrize(("scheme", "ground"), [("light", LIGHT), ("dark", DARK)])
def test_it_is_readable_in_light_and_dark(browser, page, scheme, ground):
    """By the system's choice, then by the reader's: WCAG AA in both."""
    with opened(browser, page, color_scheme=scheme) as tab:
        assert tab.evaluate(GROUND) == ground
        too_weak = {
            name: ratio for name, ratio in tab.evaluate(CONTRASTS).items() if ratio < 1
        }
        assert not too_weak
        label = style("#active_users svg text", "fill")
        before = tab.evaluate(label)
        tab.click("#theme")
        assert tab.evaluate(GROUND) != ground
        assert tab.evaluate(label) != before
        tab.emulate_media(media="print")
        assert (
            tab.evaluate("() => getComputedStyle(document.documentElement).colorScheme")
            == "light"
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 820, 1440])
def test_axe_finds_nothing(browser, page, scheme, width):
    """axe's rules of accessibility: WCAG A and AA, and its best practices."""
    viewport = {"width": width, "height": 900}
    with opened(browser, page, viewport=viewport, color_scheme=scheme) as tab:
        for details in tab.locator("details summary").all():
            details.click()
        found = Axe().run(tab).response["violations"]
        assert not [(rule["id"], rule["nodes"][0]["html"]) for rule in found]


def test_it_fits_a_phone(browser, page):
    with opened(browser, page, viewport={"width": 360, "height": 740}) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") == 360
        for chart in CHARTS:
            box = tab.locator(f"#{chart} .scroll").first.bounding_box()
            assert box["x"] + box["width"] <= 360, chart


# ---- What must not happen


TEMPTATIONS = """async () => {
    const violated = new Set();
    document.addEventListener("securitypolicyviolation", (event) =>
        violated.add(event.effectiveDirective));
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    document.body.insertAdjacentHTML("beforeend", "<b onclick='ran = true'>b</b>");
    document.body.lastChild.click();
    setTimeout("window.ran = true");
    new Image().src = "https://example.com/a.png";
    await fetch("https://example.com").catch(() => null);
    await new Promise((done) => setTimeout(done, 100));
    return [window.ran ?? false, [...violated].sort()];
}"""


def test_the_page_forbids_itself_network_and_foreign_scripts(browser, page):
    tab = browser.new_page()
    tab.goto(page.as_uri())
    drawn(tab)
    assert tab.evaluate(TEMPTATIONS) == [
        False,
        ["connect-src", "img-src", "script-src", "script-src-attr", "script-src-elem"],
    ]
    tab.close()


def test_the_page_is_light_enough_for_an_e_mail(page):
    assert page.stat().st_size < 2_000_000


@pytest.fixture(scope="module")
def hostile_page(sample_duckdb, tmp_path_factory) -> Path:
    """The report on names that would like to be more than names, without some marts."""
    folder = tmp_path_factory.mktemp("hostile")
    path = shutil.copy(sample_duckdb.settings["WAREHOUSE"], folder / "w.duckdb")
    with duckdb.connect(path) as connection:
        connection.execute("use amplitude")
        for mart, columns in {
            "amplitude__engagement": ["event_type"],
            "amplitude__funnels": ["funnel", "step"],
            "amplitude__pages": ["page_path", "page_domain"],
            "amplitude__frustrations": ["element", "page_path", "page_domain"],
            "amplitude_intermediate.int_amplitude__session_events": [
                "element",
                "page_path",
                "page_domain",
            ],
        }.items():
            for name in columns:
                connection.execute(
                    f"update {mart} set {name} = "
                    f"if(hash({name}) % 2 = 0, $html, $formula) || {name}",
                    {"html": HOSTILE, "formula": FORMULA},
                )
        connection.execute(
            "update amplitude__engagement set event_type = $name"
            " where event_type like '%revenue_amount'",
            {"name": HOSTILE},
        )
        connection.execute("drop table amplitude__daily_revenue")
    return make_report(sample_duckdb, folder / "report", WAREHOUSE=str(path))


def test_a_mart_that_is_missing_is_named(browser, hostile_page):
    with opened(browser, hostile_page) as tab:
        text = tab.inner_text("#daily_revenue")
        assert "The warehouse has no amplitude__daily_revenue" in text
        assert tab.locator("#daily_revenue svg").count() == 0
        assert tab.locator("#lifetime_value svg").count() == 1
        assert tab.locator("#tile-revenue").count() == 0


def test_names_stay_text(browser, hostile_page):
    html = hostile_page.read_text()
    assert HOSTILE not in html
    assert html.count("</script>") == 4
    with opened(browser, hostile_page) as tab:
        assert tab.locator("img").count() == 0
        assert table(tab, "engagement")[0][0] == HOSTILE
        assert HOSTILE in tab.text_content("#engagement svg")
        assert HOSTILE in tab.inner_text("#funnel-funnel") or FORMULA in tab.inner_text(
            "#funnel-funnel"
        )
        tab.locator("#engagement svg .mark-rect path").first.hover()
        tip = tab.locator("#vg-tooltip-element.visible")
        assert HOSTILE in tip.inner_text()
        assert tip.locator("img").count() == 0


def test_a_saved_table_holds_no_formula(browser, hostile_page):
    with opened(browser, hostile_page) as tab:
        table(tab, "frustrating_elements")
        with tab.expect_download() as download:
            tab.click("#frustrating_elements .download")
        with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    assert rows[0][:3] == ["Element", "Page", "Sessions"]
    names = [name for row in rows for name in row[:2]]
    assert any(name.startswith("'=cmd") for name in names)
    assert not [name for name in names if name[:1] in "=+-@\t" and name]


def test_no_sign_begins_a_formula(browser):
    """The page's own function, on texts that an export may hold."""
    script = (REPOSITORY / "report/page/page.js").read_text()
    (function,) = re.findall(r"^const FORMULA.*?^}$", script, re.MULTILINE | re.DOTALL)
    signs = "=+-@＝＋－＠﹦﹢﹣﹫−"
    before = ["", " ", "\t", "\r", "\n", "\u00a0", "\u200b", "\ufeff"]
    formulas = [f"{space}{sign}1+1" for sign in signs for space in before]
    plain = ["a=b", "/a+b/", "it's", "1 - 2", "", "ｆｕｌｌ"]
    tab = browser.new_page()
    cells = tab.evaluate(
        f"texts => {{ {function} return texts.map(csvCell); }}", [*formulas, *plain, -1]
    )
    tab.close()
    assert cells == [
        *(f'"\'{text}"' for text in formulas),
        *(f'"{text}"' for text in plain),
        "-1",
    ]


# ---- Warehouses that hold little


@pytest.fixture(scope="module")
def answers(sample_duckdb, page) -> dict[str, Answer]:
    """What the sample's marts answered, to be cut down."""
    found = {
        name: Answer(answer["columns"], [tuple(row) for row in answer["rows"]])
        for name, answer in held(page, "answers").items()
    }
    columns, rows = sample_duckdb.ask(
        "select *, landed_row_count - older_export_count as loaded_row_count"
        " from amplitude.amplitude__load_audit order by upload_hour_started_at"
    )
    found["load_hours"] = Answer(columns, rows)
    found["settings"] = Answer(["reporting_timezone"], [("UTC",)])
    return found


def only(answer: Answer, keep: Callable[[dict], bool]) -> Answer:
    rows = zip(answer.rows, answer.records(), strict=True)
    return replace(answer, rows=[row for row, record in rows if keep(record)])


def write(answers: dict[str, Answer], folder: Path) -> Path:
    page = folder / "index.html"
    page.write_text(render(answers, datetime.now(UTC)))
    return page


def test_an_empty_warehouse_says_so(browser, answers, tmp_path):
    empty = {name: only(answer, lambda row: False) for name, answer in answers.items()}
    page = write(empty | {"settings": answers["settings"]}, tmp_path)
    with opened(browser, page) as tab:
        assert "Nothing has been loaded yet" in tab.inner_text("main")
        assert tab.locator("figure").count() == 0


def test_a_warehouse_without_tables_says_so(browser, answers, tmp_path):
    missing = {name: Answer(missing=[f"mart_{name}"]) for name in answers}
    page = write(missing | {"settings": answers["settings"]}, tmp_path)
    with opened(browser, page) as tab:
        assert "no mart_load_hours: make dbt-build" in tab.inner_text("main")
        assert tab.locator("figure").count() == 0


def test_one_day_without_revenue_is_shown(browser, answers, tmp_path):
    """Charts that have nothing say so; the others are there, of one day."""
    first = date.fromisoformat(FIRST)
    hours = only(
        answers["load_hours"],
        lambda row: row["upload_hour_started_at"].date() == first,
    )
    without = {
        name: only(answers[name], lambda row: False)
        for name in ("revenue", "lifetime_values", "frustrations", "funnels")
    }
    page = write(answers | {"load_hours": hours} | without, tmp_path)
    with opened(browser, page) as tab:
        assert (tab.input_value("#from"), tab.input_value("#to")) == (FIRST, FIRST)
        shown = {name for name in CHARTS if tab.locator(f"#{name} svg").is_visible()}
        empty = set(CHARTS) - shown
        assert empty == {
            "daily_revenue",
            "lifetime_value",
            "frustrating_elements",
            "funnel",
        }
        for name in empty:
            assert tab.locator(f"#{name} .nothing").is_visible()


def test_hours_that_are_missing_are_counted_and_named(browser, answers, tmp_path):
    statuses = {datetime(2026, 1, 15, hour): "missing" for hour in range(5, 11)}
    statuses |= {datetime(2026, 1, 16, 23): "missing", LAST_HOUR: "too_large"}
    page = write(answers | {"load_hours": with_statuses(answers, statuses)}, tmp_path)
    with opened(browser, page) as tab:
        state = tab.inner_text("[data-load]")
        assert "8 upload hours are missing or incomplete" in state
        assert (
            "7 missing, 1 too large. These are 15 Jan 2026, 05:00 to 11:00;"
            " 16 Jan 2026, 23:00 to 17 Jan 2026, 00:00;"
            " 18 Jan 2026, 23:00 to 19 Jan 2026, 00:00."
        ) in state


def test_an_accepted_hour_is_not_missing(browser, answers, tmp_path):
    hours = with_statuses(answers, {LAST_HOUR: "too_large"}, is_settled=True)
    page = write(answers | {"load_hours": hours}, tmp_path)
    with opened(browser, page) as tab:
        state = tab.inner_text("[data-load]")
        assert "Complete through 18 Jan 2026, 23:00 UTC" in state
        assert "loaded, 1 of them some other way." in state


def with_statuses(
    answers: dict[str, Answer],
    statuses: dict[datetime, str],
    is_settled: bool = False,
) -> Answer:
    """The upload hours, some with another status."""
    hours = answers["load_hours"]
    rows = [
        tuple(
            (
                row
                | {
                    "status": statuses[row["upload_hour_started_at"]],
                    "is_settled": is_settled,
                }
                if row["upload_hour_started_at"] in statuses
                else row
            ).values()
        )
        for row in hours.records()
    ]
    return replace(hours, rows=rows)


def test_projects_are_shown_one_at_a_time(browser, answers, tmp_path):
    """Two projects, the second with half the sessions of the first."""
    doubled = {}
    for name, answer in answers.items():
        rows = [*answer.rows]
        if "project_id" in answer.columns:
            at = answer.columns.index("project_id")
            rows += [(*row[:at], "999", *row[at + 1 :]) for row in answer.rows[::2]]
        doubled[name] = replace(answer, rows=rows)
    with opened(browser, write(doubled, tmp_path)) as tab:
        sessions = tab.inner_text("#tile-sessions .value")
        tab.select_option("#project", "999")
        drawn(tab)
        assert tab.inner_text("#tile-sessions .value") != sessions
        assert tab.locator("[data-load]").filter(visible=True).count() == 1
        assert (
            tab.locator("[data-load]").filter(visible=True).get_attribute("data-load")
            == "999"
        )
