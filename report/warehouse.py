"""The page's queries: dbt's analyses, run by dbt's own adapter.

The questions are SQL files in dbt/analyses/report, so that dbt names the tables, knows
what the page depends on, and signs in as it does for everything else.
"""

from dataclasses import dataclass, field
from typing import Any

from runner.project import DbtError, Project

FOLDER = "analyses/report"
PREFIX = "report_"


class WarehouseError(Exception):
    """The warehouse cannot be asked; the message says why."""


@dataclass(frozen=True)
class Answer:
    """The rows of one query, or the names of the marts that do not exist.

    `sql` is what was asked, `models` are dbt's ids of the marts that it reads.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[tuple] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    sql: str = ""
    models: list[str] = field(default_factory=list)

    def records(self) -> list[dict]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def ask(project: Project) -> dict[str, Answer]:
    """Run every query on the target that dbt's profile names.

    Raises:
        DbtError: dbt cannot compile the report's queries.
        WarehouseError: the warehouse refuses one for another reason than a mart that is
            not there.
    """
    is_compiled, compiled = project.run("compile", "--select", f"path:{FOLDER}")
    if not is_compiled:
        raise DbtError("dbt cannot compile the report's queries")
    with project.adapter.connection_named("report"):
        return {
            result.node.name.removeprefix(PREFIX): _ask(project, result.node)
            for result in compiled
        }


def _ask(project: Project, question: Any) -> Answer:
    marts = [project.manifest.nodes[name] for name in question.depends_on.nodes]
    adapter = project.adapter
    missing = [
        mart.name
        for mart in marts
        if adapter.get_relation(mart.database, mart.schema, mart.alias) is None
    ]
    if missing:
        return Answer(missing=sorted(missing))
    try:
        # Not execute(): what that gives reads the text "null" as no text.
        _, cursor = adapter.add_query(question.compiled_code, auto_begin=False)
        columns = [column[0].lower() for column in cursor.description]
        return Answer(
            columns,
            cursor.fetchall(),
            sql=question.compiled_code.strip(),
            models=[mart.unique_id for mart in marts],
        )
    except Exception as error:
        raise WarehouseError(f"{question.name}: {error}") from error
