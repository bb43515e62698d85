"""The models against figures that independent code computed from the raw rows."""

import csv
import json
from pathlib import Path
from typing import Any

import figures
import pytest
from warehouses import Warehouse, open_duckdb

pytestmark = pytest.mark.xdist_group("sample")

TRUTH_DIR = Path(__file__).parent / "truth"
TRUTH = json.loads((TRUTH_DIR / "truth.json").read_text())

# The figures are of amplitude ids as they were exported, and of all traffic. Those that
# are taken from the events' own ids hold in any build; those of a mart's sessions hold
# where its users are such ids.
OF_MARTS = {"repeat", "repeat_groups_R1"}
AS_EXPORTED = "{stitch_anonymous_users: false, excluded_traffic: []}"


@pytest.fixture(scope="session")
def computed(sample):
    return figures.compute(sample.target, sample.rows)


@pytest.fixture(scope="session")
def unstitched(sample_landing, tmp_path_factory) -> Warehouse:
    """The sample export with users as they were exported."""
    warehouse = open_duckdb(sample_landing, tmp_path_factory.mktemp("unstitched"))
    warehouse.dbt(
        "build", "--exclude-resource-type", "unit_test", "--vars", AS_EXPORTED
    )
    return warehouse


@pytest.fixture(scope="session")
def computed_as_exported(unstitched):
    return figures.compute(unstitched.target, unstitched.rows)


def test_every_figure_is_computed(computed):
    assert computed.keys() == TRUTH.keys() - {"range"}


@pytest.mark.parametrize("part", sorted(TRUTH.keys() - {"range"} - OF_MARTS))
def test_figures_agree(computed, part):
    assert flat(computed[part]) == pytest.approx(flat(TRUTH[part]), abs=0.0011)


@pytest.mark.parametrize("part", sorted(TRUTH.keys() - {"range", "repeat_groups_R1"}))
def test_figures_agree_without_stitching(computed_as_exported, part):
    found = computed_as_exported[part]
    assert flat(found) == pytest.approx(flat(TRUTH[part]), abs=0.0011)


def test_every_repeated_interaction_agrees_without_stitching(computed_as_exported):
    keys = ("amplitude_id", "session_id", "event_type", "element", "page")

    def by_key(groups: list[dict]) -> dict[tuple, list]:
        return {
            tuple(group[key] for key in keys): [
                group[name] for name in ("events", "avg_gap_s", "duration_s")
            ]
            for group in groups
        }

    found = by_key(computed_as_exported["repeat_groups_R1"])
    expected = by_key(TRUTH["repeat_groups_R1"])
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert found[key] == pytest.approx(values, abs=2e-6), key


def test_sessions_users_and_days_agree_without_stitching(unstitched):
    sessions = TRUTH["sessions"]["by_amplitude_id"]
    days = TRUTH["activity by_amplitude_id"]
    assert unstitched.rows(
        "select count(*), sum(event_count), count_if(event_count = 1),"
        " max(event_count) from amplitude.amplitude__sessions"
    ) == [
        (
            sessions["sessions"],
            sessions["events_in_sessions"],
            sessions["single_event_sessions"],
            sessions["max_events"],
        )
    ]
    users = unstitched.value("select count(*) from amplitude.amplitude__users")
    assert users == TRUTH["ids"]["amplitude_id"]
    new_users = unstitched.rows(
        "select event_date, sum(new_user_count)"
        " from amplitude.amplitude__daily_performance group by 1"
    )
    assert days["new_users"].items() <= dict(new_users).items()
    seen = unstitched.rows(
        "select first_seen_date, count(*) from amplitude.amplitude__users group by 1"
    )
    assert days["new_users"].items() <= dict(seen).items()


def test_active_users_retention_and_revenue_agree_without_stitching(unstitched):
    days = TRUTH["activity by_amplitude_id"]
    active = unstitched.rows(
        "select active_date, daily_active_user_count"
        " from amplitude.amplitude__active_users where is_complete"
    )
    assert dict(active) == days["dau"]
    cells = unstitched.rows(
        "select cohort_date, period_number, cohort_user_count, returned_user_count"
        " from amplitude.amplitude__retention where basis = 'calendar'"
        " and period = 'day' and is_complete_cohort and is_mature"
    )
    expected = [
        (day, int(number), cohort["new_users"], returned)
        for day, cohort in days["retention"].items()
        for number, returned in cohort["active_on_day_k"].items()
        if returned is not None
    ]
    assert sorted(cells) == sorted(expected)
    earned = unstitched.rows(
        "select count(*), sum(revenue::decimal(28, 9)) from amplitude_intermediate"
        ".int_amplitude__conversion_events where event_type = 'revenue_amount'"
    )
    assert earned == [tuple(TRUTH["revenue"].values())]


def test_the_stitched_are_whom_amplitude_merged(sample):
    """And nobody else: of those with events of the user on the device, all."""
    with (TRUTH_DIR / "merged_users.csv").open() as lines:
        merged = {
            (row["merged_amplitude_id"], row["amplitude_id"])
            for row in csv.DictReader(lines)
        }
    stitched = sample.rows(
        "select amplitude_id, user_id"
        " from amplitude_staging.stg_amplitude__identities where is_current"
    )
    assert len(stitched) == 46
    assert set(stitched) <= merged


def test_a_login_splits_no_session_and_bots_have_none(sample, unstitched):
    """Each of the 46 logged in during a session; four users (six sessions) are bots."""
    for table, difference in (("users", 46 + 4), ("sessions", 46 + 6)):
        query = f"select count(*) from amplitude.amplitude__{table}"
        assert sample.value(query) == unstitched.value(query) - difference


def flat(figures: dict, prefix: str = "") -> dict[str, Any]:
    """Nested figures by their path, for one comparison that names what differs."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name} / ")
        else:
            found[prefix + name] = value if not isinstance(value, list) else str(value)
    return found
