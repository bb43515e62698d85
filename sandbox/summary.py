"""The demo's last page: what became of the sample export."""

import os
from pathlib import Path

import duckdb

COUNTS = """
select
    (
        select sum(event_count) from amplitude_staging.stg_amplitude__upload_hours
    ) as exported,
    (select count(*) from amplitude_staging.base_amplitude__events) as landed,
    (select count(*) from amplitude_staging.stg_amplitude__events) as staged,
    (
        select count(distinct session_id)
        from amplitude_staging.stg_amplitude__events
    ) as sessions,
    (
        select count(distinct user_id)
        from amplitude_staging.stg_amplitude__events
    ) as users
"""

TOP_REPEAT_CLICKS = """
select event_count, average_gap_seconds, element, page_url
from amplitude.amplitude__repeat_clicks
where event_type = '[Amplitude] Element Clicked'
order by event_count desc, average_gap_seconds
limit 5
"""


def main() -> None:
    warehouse = Path(os.environ["WAREHOUSE"])
    with duckdb.connect(warehouse, read_only=True) as connection:
        counts = connection.execute(COUNTS).fetchone()
        top = connection.execute(TOP_REPEAT_CLICKS).fetchall()
    exported, landed, staged, sessions, users = counts
    print(f"""
Seven days of the sample export:

  exported   {exported:>7,} events   by the ledger of the landing
  landed     {landed:>7,} events   in base_amplitude__events
  staged     {staged:>7,} events   in stg_amplitude__events,
                              {landed - staged:,} duplicates removed
  sessions   {sessions:>7,}
  users      {users:>7,}

Top repeat clicks, from amplitude__repeat_clicks:

  clicks   seconds between   element and page""")
    for clicks, gap, element, page in top:
        print(f"  {clicks:>6} {gap:>17.1f}   {element} on {page}")
    print(f"""
landing:   {os.environ["LANDING"]}
warehouse: {warehouse}
docs:      {os.environ["DOCS"]}/index.html
report:    {os.environ["REPORT"]}/index.html""")


if __name__ == "__main__":
    main()
