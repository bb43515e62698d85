"""dbt in this process: it is imported once, and it parses the project once."""

import os
from collections.abc import Callable
from pathlib import Path

from dbt.adapters.factory import get_adapter_by_type
from dbt.adapters.sql import SQLAdapter
from dbt.artifacts.schemas.run import RunExecutionResult, RunResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventMsg

from runner.settings import settings_file, with_settings


class DbtError(Exception):
    """A command of dbt failed; the message is dbt's."""


class Project:
    """The dbt project of the environment, with the variables of settings.yml."""

    def __init__(
        self,
        console: str = "warn",
        callbacks: list[Callable[[EventMsg], None]] | None = None,
    ) -> None:
        """`console` is the lowest level of messages that dbt prints; logs hold all."""
        self._console = console
        self._callbacks = callbacks or []
        self._manifest: Manifest | None = None

    @property
    def manifest(self) -> Manifest:
        """The parsed project. Raises DbtError if it cannot be parsed."""
        if self._manifest is None:
            result = self._invoke("parse")
            if not result.success or not isinstance(result.result, Manifest):
                raise DbtError(str(result.exception or "dbt cannot parse the project"))
            self._manifest = result.result
        return self._manifest

    @property
    def adapter(self) -> SQLAdapter:
        adapter = get_adapter_by_type(self.manifest.metadata.adapter_type or "")
        assert isinstance(adapter, SQLAdapter)
        return adapter

    @property
    def target_folder(self) -> Path:
        """Where dbt writes what it compiles, its results and its documentation."""
        project = os.environ.get("DBT_PROJECT_DIR") or "dbt"
        return Path(project, os.environ.get("DBT_TARGET_PATH") or "target")

    def run(self, *arguments: str) -> tuple[bool, list[RunResult]]:
        """Run a command of dbt: whether it succeeded, and the result of each node.
        What it compiles is in the manifest.

        Raises:
            DbtError: dbt cannot start it. One that ran and failed is a result.
        """
        assert self.manifest
        result = self._invoke(*arguments)
        if result.exception:
            raise DbtError(str(result.exception))
        if not isinstance(result.result, RunExecutionResult):
            return result.success, []
        return result.success, list(result.result)

    def _invoke(self, *arguments: str) -> dbtRunnerResult:
        command = with_settings(arguments, settings_file())
        runner = dbtRunner(self._manifest, self._callbacks)
        return runner.invoke(["--log-level", self._console, *command])
