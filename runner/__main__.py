"""`python -m runner ARGUMENTS`: run dbt with settings.yml, alone on DuckDB's file."""

import os
import sys

from dotenv import load_dotenv

from runner.duckdb_file import WarehouseFileError, locked_warehouse, warehouse_file
from runner.settings import SettingsFileError, settings_file, with_settings


def main(arguments: list[str]) -> int:
    load_dotenv(".env")
    try:
        arguments = with_settings(arguments, settings_file())
        with locked_warehouse(warehouse_file()):
            # dbt takes the place of this process, and holds the lock until it ends.
            os.execvp("dbt", ["dbt", *arguments])
    except SettingsFileError as error:
        print(f"settings: {error}", file=sys.stderr)
        return 2
    except WarehouseFileError as error:
        print(f"warehouse: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"dbt cannot be started: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
