"""MetricFlow gives the marts' own numbers."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from warehouses import REPOSITORY

pytestmark = pytest.mark.xdist_group("sample")

MF_COMMAND = Path(sys.executable).with_name("mf")

# Each metric, and where a mart has it for a day.
METRICS = {
    "active_users": "active_users.daily_active_user_count",
    "weekly_active_users": "active_users.weekly_active_user_count",
    "monthly_active_users": "active_users.monthly_active_user_count",
    "stickiness": "active_users.daily_monthly_rate",
    "users": "active_users.new_user_count",
    "revenue": "daily_revenue.revenue",
    "average_revenue_per_user": "daily_revenue.average_revenue_per_user",
    "events": "events.event_count",
    "sessions": "sessions.session_count",
    "page_views": "sessions.page_view_count",
    "bounce_rate": "sessions.bounce_rate",
    "average_session_seconds": "sessions.average_seconds",
}
MARTS = f"""
with

events as (
    select event_date, sum(event_count) as event_count
    from amplitude.amplitude__daily_performance
    group by 1
),

sessions as (
    select
        started_date,
        count(*) as session_count,
        sum(page_view_count) as page_view_count,
        avg(is_bounced::int) as bounce_rate,
        avg(case when not is_overlong then duration_seconds end) as average_seconds
    from amplitude.amplitude__sessions
    group by 1
)

select active_date, {", ".join(METRICS.values())}
from amplitude.amplitude__active_users as active_users
inner join amplitude.amplitude__daily_revenue as daily_revenue
    on active_date = revenue_date
inner join events on active_date = event_date
inner join sessions on active_date = sessions.started_date
where active_users.is_complete
order by 1
"""


def test_metrics_are_the_marts_numbers(sample_duckdb, tmp_path):
    path = tmp_path / "metrics.csv"
    # MetricFlow looks for what dbt has parsed in the project's own folder.
    project = tmp_path / "dbt"
    shutil.copytree(
        REPOSITORY / "dbt", project, ignore=shutil.ignore_patterns("target")
    )
    (project / "target").mkdir()
    target_path = sample_duckdb.environment()["DBT_TARGET_PATH"]
    shutil.copy(Path(target_path, "semantic_manifest.json"), project / "target")
    folders = {"DBT_PROJECT_DIR": str(project), "DBT_PROFILES_DIR": str(project)}
    run = subprocess.run(
        [
            MF_COMMAND,
            "query",
            *("--metrics", ",".join(METRICS)),
            *("--group-by", "metric_time__day"),
            *("--start-time", "2026-01-12", "--end-time", "2026-01-18"),
            *("--order", "metric_time__day"),
            *("--csv", path),
        ],
        cwd=REPOSITORY,
        env=os.environ | sample_duckdb.environment() | folders | {"DO_NOT_TRACK": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout
    with path.open() as lines:
        found = [
            [row["metric_time__day"][:10], *(float(row[name]) for name in METRICS)]
            for row in csv.DictReader(lines)
        ]
    expected = sample_duckdb.rows(MARTS)
    assert len(found) == 7
    for one, other in zip(found, expected, strict=True):
        assert one[0] == other[0]
        assert one[1:] == pytest.approx(other[1:])
