"""The models against figures that independent code computed from the raw rows."""

import json
from pathlib import Path

import figures
import pytest

pytestmark = pytest.mark.xdist_group("sample")

TRUTH = json.loads((Path(__file__).parent / "truth" / "truth.json").read_text())


@pytest.fixture(scope="session")
def computed(sample):
    return figures.compute(sample.target, sample.rows)


def test_every_figure_is_computed(computed):
    assert computed.keys() == TRUTH.keys() - {"range"}


@pytest.mark.parametrize("part", sorted(TRUTH.keys() - {"range", "repeat_groups_R1"}))
def test_figures_agree(computed, part):
    assert flat(computed[part]) == pytest.approx(flat(TRUTH[part]), abs=0.0011)


def test_every_repeated_interaction_agrees(computed):
    keys = ("amplitude_id", "session_id", "event_type", "element", "page")

    def by_key(groups: list[dict]) -> dict[tuple, list]:
        return {
            tuple(group[key] for key in keys): [
                group[name] for name in ("events", "avg_gap_s", "duration_s")
            ]
            for group in groups
        }

    found = by_key(computed["repeat_groups_R1"])
    expected = by_key(TRUTH["repeat_groups_R1"])
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert found[key] == pytest.approx(values, abs=2e-6), key


def flat(figures: dict, prefix: str = "") -> dict[str, object]:
    """Nested figures by their path, for one comparison that names what differs."""
    found: dict[str, object] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name} / ")
        else:
            found[prefix + name] = value if not isinstance(value, list) else str(value)
    return found
