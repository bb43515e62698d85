"""The drift alarm: a change of the export's form is shown, and fails the build."""

import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from histories import Export, Load, Row
from warehouses import Warehouse, open_duckdb

from sandbox.amplitude.export_api import EXPORT_DIR

pytestmark = pytest.mark.xdist_group("drift")

DRIFT = "amplitude.amplitude__load_drift"
SELECTED = ("--exclude", "tag:analyses")
HOUR = datetime(2026, 3, 1, 5)
# One row of the sample has all of the documented keys.
SAMPLE = next(EXPORT_DIR.glob("*/*.json.gz"))
with gzip.open(SAMPLE) as lines:
    KEYS = json.loads(lines.readline()).keys()


def rows(project: int, count: int, hour: datetime = HOUR, **fields: Any) -> list[Row]:
    """Rows as Amplitude exports them, with the fields given in place of the usual."""
    return [
        dict.fromkeys(KEYS)
        | {
            "app": project,
            "uuid": f"{project}-{hour}-{number}",
            "device_id": "phone",
            "amplitude_id": 7,
            "session_id": -1,
            "event_type": "Seen",
            "event_time": f"{hour:%F %T.%f}",
            "server_upload_time": f"{hour:%F %T.%f}",
        }
        | fields
        for number in range(count)
    ]


def without(key: str, found: list[Row]) -> list[Row]:
    return [{name: row[name] for name in row if name != key} for row in found]


def land(landing: Path, found: list[Row], hour: datetime = HOUR) -> None:
    project = str(found[0]["app"])
    export = Export(project, hour, hour + timedelta(hours=4), [found])
    objects = [(key, data) for key, data, _ in export.objects()]
    Load(f"load-{hour:%H}", objects, [export]).land(landing)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory) -> Warehouse:
    folder = tmp_path_factory.mktemp("drift")
    return open_duckdb(folder / "landing", folder)


@pytest.fixture(scope="module")
def printed(warehouse) -> list[str]:
    """What each of three builds printed: of a load that is well but for its keys, of
    one that has drifted, and of one that is well again."""
    land(warehouse.landing, rows(41, 100))
    # Few rows are no evidence: 20 of these, and 5 % of those.
    land(warehouse.landing, rows(42, 20, event_time=None))
    land(warehouse.landing, rows(43, 475) + rows(43, 25, event_time="soon"))
    keys = rows(44, 29) + rows(44, 1, color="red") + rows(44, 1, a=1, color="red")
    land(warehouse.landing, without("city", keys))
    first = warehouse.build(*SELECTED)
    for project, field in enumerate(("event_time", "amplitude_id", "session_id"), 45):
        hour = HOUR + timedelta(hours=1)
        land(warehouse.landing, rows(project, 21, hour, **{field: None}), hour)
    unread = rows(48, 100, hour) + rows(48, 30, hour, location_lat="here")
    land(warehouse.landing, unread, hour)
    second = warehouse.try_build(*SELECTED)
    assert second.returncode != 0
    hour = HOUR + timedelta(hours=2)
    land(warehouse.landing, rows(41, 30, hour), hour)
    return [first, second.stdout, warehouse.build(*SELECTED)]


def test_new_and_missing_keys_warn(warehouse, printed):
    assert warehouse.rows(
        f"select undocumented_keys, missing_keys from {DRIFT} where project_id = '44'"
    ) == [("a,color;color", "city")]
    assert "Warning in test assert_no_undocumented_key_arrives" in printed[0]
    assert "Warning in test assert_no_documented_key_is_missing" in printed[0]
    others = f"select count(*) from {DRIFT} where project_id != '44'"
    is_well = "undocumented_keys is null and missing_keys is null"
    assert warehouse.value(others) == warehouse.value(f"{others} and {is_well}") > 0


def test_what_many_rows_lack_fails_the_build(warehouse, printed):
    drifts = dict(
        warehouse.rows(
            f"select project_id, drifts from {DRIFT} where drifts is not null"
        )
    )
    assert drifts == {
        "45": "no_event_time",
        "46": "no_amplitude_id",
        "47": "no_session_id",
        "48": "unparsed_row",
    }
    assert "Failure in test assert_no_load_drifts" in printed[1]
    assert "Got 4 results" in printed[1]
    # Of an older load it is shown, and no longer told.
    assert "assert_no_undocumented_key_arrives" not in printed[2].partition("Done.")[2]
    assert warehouse.rows(
        "select row_count, unparsed_row_count, round(unparsed_row_rate, 6)"
        f" from {DRIFT} where project_id in ('43', '48') order by row_count"
    ) == [(130, 30, 0.230769), (500, 25, 0.05)]
