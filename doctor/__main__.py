"""`python -m doctor`: print a line for each link, and what fixes those that fail."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from dotenv import load_dotenv

from doctor import local
from doctor.checks import CheckFailed, CheckSkipped, Context, Finding, aws_fixes
from ingest.landing import LandingError
from ingest.logs import redact
from ingest.settings import SettingsError
from snowflake_setup.settings import CloudSettings

IN_ENV = "set it in .env; see .env.example"


def main() -> int:
    load_dotenv(".env")
    try:
        settings = CloudSettings.read(os.environ)
    except SettingsError as error:
        print(Finding("settings", False, str(error), (IN_ENV,)))
        return 1
    failed = 0
    for finding in examine(settings, checks(settings)):
        print(redact(str(finding), settings.secrets), flush=True)
        failed += finding.is_well is False
    if not needs_cloud(settings):
        print("This is all that TARGET=duckdb needs: no AWS and no Snowflake account.")
    return int(failed > 0)


def needs_cloud(settings: CloudSettings) -> bool:
    """Whether the settings name Snowflake."""
    target = settings.given.get("TARGET") or "duckdb"
    return target != "duckdb" or bool(settings.sign_in.account or settings.sign_in.user)


def checks(settings: CloudSettings) -> dict[str, Callable[[Context], str]]:
    if not needs_cloud(settings):
        return local.CHECKS
    # Only now: the libraries of AWS and Snowflake are not installed everywhere.
    from doctor import cloud

    return {link: cloud.with_fixes(check) for link, check in cloud.CHECKS.items()}


def examine(
    settings: CloudSettings, checks: dict[str, Callable[[Context], str]]
) -> Iterator[Finding]:
    """Check each link in the order in which an event passes them."""
    with ExitStack() as stack:
        context = Context(settings, stack)
        for link, check in checks.items():
            try:
                yield Finding(link, True, check(context))
            except CheckFailed as failed:
                yield Finding(link, False, str(failed), failed.fixes)
            except CheckSkipped as skipped:
                yield Finding(link, None, str(skipped))
            except SettingsError as error:
                yield Finding(link, False, str(error), (IN_ENV,))
            except LandingError as error:
                fixes = aws_fixes(error) if settings.is_on_s3 else ("check LANDING",)
                yield Finding(link, False, str(error), fixes)
            except Exception as error:
                # The links after it are checked all the same.
                message = f"unexpected {type(error).__name__}: {error}"
                yield Finding(link, False, message, ("report it, with this line",))


if __name__ == "__main__":
    sys.exit(main())
