"""`python -m runner.with_token COMMAND`: run it signed in as this GitHub Actions job.

The command gets a fresh identity token of the job as SNOWFLAKE_TOKEN, because a token
lasts minutes only. With SNOWFLAKE_TOKEN set, it gets that one.

Exit codes: the command's; 2 outside of such a job, 3 if GitHub returns no token.
"""

import os
import sys

from dotenv import load_dotenv

from ingest.settings import SettingsError
from snowflake_setup.session import SnowflakeError, github_token


def main(command: list[str]) -> int:
    load_dotenv(".env")
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        os.environ["SNOWFLAKE_TOKEN"] = (
            os.environ.get("SNOWFLAKE_TOKEN") or github_token()
        )
        os.execvp(command[0], command)
    except SettingsError as error:
        print(f"with_token: {error}", file=sys.stderr)
        return 2
    except SnowflakeError as error:
        print(f"with_token: {error}", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"with_token: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
