"""The credits that the pipeline used, by week, from Snowflake's usage views.

https://docs.snowflake.com/en/sql-reference/account-usage has the views; they are hours
late: PIPE_USAGE_HISTORY and WAREHOUSE_METERING_HISTORY up to three, QUERY_HISTORY
45 minutes.
"""

from collections.abc import Iterable, Iterator

from snowflake_setup.loads import PIPES
from snowflake_setup.session import QUERY_TAG, Session, quoted
from snowflake_setup.settings import CloudSettings

# As in dbt/profiles.yml.
DBT_TAGS = [f"dbt_{QUERY_TAG}{kind}" for kind in ("", "_dev", "_ci")]
USAGE = "snowflake.account_usage"
SINCE = "dateadd('week', {weeks}, date_trunc('week', current_timestamp()))"


def credits_sql(settings: CloudSettings, weeks: int) -> str:
    """Credits by week of the warehouses, the pipes and the clustering of our tables."""
    names = settings.names
    warehouses = [names.warehouse, names.dev_warehouse]
    databases = [names.database, names.raw_database]
    since = SINCE.format(weeks=1 - weeks)
    return f"""
        with used as (
            select start_time, 'warehouse' as kind, warehouse_name as name, credits_used
            from {USAGE}.warehouse_metering_history
            where upper(warehouse_name) in ({_upper(warehouses)})
            union all
            select start_time, 'pipe', split_part(pipe_name, '.', -1), credits_used
            from {USAGE}.pipe_usage_history
            -- With its database and schema.
            where upper(split_part(pipe_name, '.', -1)) in ({_upper(PIPES.values())})
            union all
            select start_time, 'clustering', table_name, credits_used
            from {USAGE}.automatic_clustering_history
            where upper(database_name) in ({_upper(databases)})
        )
        select
            date_trunc('week', start_time)::date as week,
            kind,
            lower(name) as name,
            sum(credits_used) as credits
        from used
        where start_time >= {since}
        group by 1, 2, 3
        order by 1, 2 desc, 3
    """


def statements_sql(weeks: int) -> str:
    """Statements by week and query tag, and how long the warehouse ran them."""
    since = SINCE.format(weeks=1 - weeks)
    return f"""
        select
            date_trunc('week', start_time)::date as week,
            query_tag as name,
            count(*) as statements,
            sum(execution_time) / 1000 as seconds
        from {USAGE}.query_history
        where query_tag in ({quoted([*DBT_TAGS, QUERY_TAG])})
            and start_time >= {since}
        group by 1, 2
        order by 1, 2
    """


def cost(snowflake: Session, settings: CloudSettings, weeks: int) -> Iterator[str]:
    """Lines for a terminal. Raises SnowflakeError.

    A week begins where Snowflake's parameter WEEK_START says, on Monday by default.
    """
    used = snowflake.rows(credits_sql(settings, weeks))
    sent = snowflake.rows(statements_sql(weeks))
    for week in sorted({row["week"] for row in [*used, *sent]}):
        total = sum(row["credits"] for row in used if row["week"] == week)
        yield f"week of {week}: {total:.2f} credits"
        for row in used:
            if row["week"] == week:
                yield f"  {row['credits']:8.2f}  {row['kind']} {row['name']}"
        for row in sent:
            if row["week"] == week:
                yield (
                    f"  {row['statements']:8d}  statements of {row['name']},"
                    f" {row['seconds']:.0f} s"
                )
    if not used and not sent:
        yield f"nothing was used in the last {weeks} weeks"


def _upper(names: Iterable[str]) -> str:
    return quoted([name.upper() for name in names])
