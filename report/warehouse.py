"""What the page asks of the marts: dbt's analyses, run by dbt's own adapter.

The questions are SQL files in dbt/analyses/report, so that dbt names the tables, knows
what the page depends on, and signs in as it does for everything else.
"""

from dataclasses import dataclass, field

from dbt.adapters.base import BaseAdapter
from dbt.adapters.factory import get_adapter_by_type
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import AnalysisNode

FOLDER = "analyses/report"
PREFIX = "report_"


class WarehouseError(Exception):
    """The warehouse cannot be asked; the message says why."""


@dataclass(frozen=True)
class Answer:
    """The rows of one question, or the names of the marts that are not there."""

    columns: list[str] = field(default_factory=list)
    rows: list[tuple] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def records(self) -> list[dict]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def ask() -> dict[str, Answer]:
    """Ask every question of the target that dbt's profile names.

    Raises:
        WarehouseError: dbt cannot compile the questions, or the warehouse refuses one
            for another reason than a mart that is not there.
    """
    manifest = _dbt(None, "parse")
    run = _dbt(manifest, "compile", "--select", f"path:{FOLDER}")
    adapter = get_adapter_by_type(manifest.metadata.adapter_type)
    with adapter.connection_named("report"):
        return {
            result.node.name.removeprefix(PREFIX): _ask(adapter, result.node, manifest)
            for result in run.results
        }


def _dbt(manifest: Manifest | None, *command: str):
    run = dbtRunner(manifest).invoke(["--quiet", *command])
    if not run.success:
        raise WarehouseError(str(run.exception or "dbt cannot compile the questions"))
    return run.result


def _ask(adapter: BaseAdapter, question: AnalysisNode, manifest: Manifest) -> Answer:
    marts = [manifest.nodes[name] for name in question.depends_on.nodes]
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
        return Answer(columns, cursor.fetchall())
    except Exception as error:
        raise WarehouseError(f"{question.name}: {error}") from error
