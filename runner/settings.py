"""settings.yml: values for dbt's variables that belong to you, not to this repository.

dbt reads variables from dbt_project.yml, which an update of the repository changes, and
from its option --vars. So the file becomes that option.
"""

import json
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

COMMANDS_WITHOUT_VARIABLES = {"clean", "init"}


class SettingsFileError(Exception):
    """settings.yml cannot be read; the message says why and where."""


class _Loader(yaml.SafeLoader):
    """Refuses a name that is set twice: YAML's own rule is that the last one wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names: set[Hashable] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in names:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name} is set twice", key.start_mark
                )
            names.add(name)
        return super().construct_mapping(node, deep)


def settings_file(environment: Mapping[str, str] = os.environ) -> Path:
    return Path(environment.get("SETTINGS") or "settings.yml")


def read_settings(path: Path) -> dict[str, Any]:
    """Variables by name; none without the file.

    Raises:
        SettingsFileError: the file is not YAML, or not names with values.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{path} cannot be read: {error}") from error
    return _mapping(text, str(path))


def with_settings(arguments: Sequence[str], path: Path) -> list[str]:
    """dbt's arguments with the file's variables; those in --vars come first.

    Raises:
        SettingsFileError: see `read_settings`.
    """
    settings = read_settings(path)
    rest, given = _split_variables(arguments)
    commands = [argument for argument in rest if not argument.startswith("-")]
    if not settings or not commands or COMMANDS_WITHOUT_VARIABLES & set(commands[:1]):
        return list(arguments)
    variables = settings | _mapping(given, "--vars")
    # A day without quotes is a date to YAML, and dbt reads it as the text it was.
    return [*rest, "--vars", json.dumps(variables, default=str)]


def _split_variables(arguments: Sequence[str]) -> tuple[list[str], str]:
    rest, given, left = [], "", list(arguments)
    while left:
        argument = left.pop(0)
        if argument == "--vars" and left:
            given = left.pop(0)
        elif argument.startswith("--vars="):
            given = argument.removeprefix("--vars=")
        else:
            rest.append(argument)
    return rest, given


def _mapping(text: str, place: str) -> dict[str, Any]:
    try:
        # A subclass of SafeLoader: it makes plain values only.
        settings = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it contains a control character"
        raise SettingsFileError(
            f"{place}{line} is not valid YAML: {problem}"
        ) from error
    if settings is None:
        return {}
    if not isinstance(settings, dict) or not all(
        isinstance(key, str) for key in settings
    ):
        raise SettingsFileError(
            f"{place} must hold names with values, such as"
            " `reporting_timezone: America/New_York`"
        )
    return settings
