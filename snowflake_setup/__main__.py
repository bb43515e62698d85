"""The command line: `python -m snowflake_setup --help`."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from datetime import timedelta

from dotenv import load_dotenv

from ingest.erasures import read_erasures
from ingest.landing import LandingError, open_landing
from ingest.logs import redact
from ingest.settings import SettingsError
from ingest.summary import add_to_run_page
from snowflake_setup import deploy, loads
from snowflake_setup import repair as repairs
from snowflake_setup.cost import cost
from snowflake_setup.erase import erase_from_raw
from snowflake_setup.expected import expected_files
from snowflake_setup.session import SnowflakeError, session
from snowflake_setup.settings import CloudSettings
from snowflake_setup.setup import cloud_setup
from snowflake_setup.stack import AwsError, Stack
from snowflake_setup.teardown import cloud_teardown

DONE, NOT_AS_IT_SHOULD_BE, SETTINGS, NO_SNOWFLAKE, NO_AWS, NO_LANDING = range(6)
UNEXPECTED, INTERRUPTED = 70, 130

EXIT_CODES = """\
exit codes:
  0    done
  1    a check failed; the message says what to do
  2    a setting or an argument is missing or malformed
  3    Snowflake refuses, or cannot be reached
  4    AWS refuses, or cannot be reached
  5    the landing cannot be read
  70   an internal error
  130  interrupted; it is safe to run it again
"""


def main(given: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(given)
    load_dotenv(".env")
    settings = None
    try:
        settings = CloudSettings.read(os.environ)
        return arguments.command(settings, arguments)
    except SettingsError as error:
        code, problem = SETTINGS, str(error)
    except SnowflakeError as error:
        code, problem = NO_SNOWFLAKE, f"Snowflake: {error}"
    except AwsError as error:
        code, problem = NO_AWS, f"AWS: {error}"
    except LandingError as error:
        code, problem = NO_LANDING, str(error)
    except KeyboardInterrupt:
        code, problem = INTERRUPTED, "interrupted; it is safe to run it again"
    except Exception as error:
        code, problem = UNEXPECTED, f"unexpected {type(error).__name__}: {error}"
    secrets = settings.secrets if settings else []
    print(redact(f"snowflake_setup: {problem}", secrets), file=sys.stderr)
    return code


def _wait_loaded(settings: CloudSettings, arguments: argparse.Namespace) -> int:
    """Wait until raw holds every row of the ledger's newest files."""
    newest = None if arguments.all else timedelta(days=arguments.days)
    with session(settings, settings.names.loader_role) as snowflake:
        landing = open_landing(settings)
        files = expected_files(landing, newest)
        if not files:
            if not expected_files(landing):
                raise LandingError(
                    f"{settings.landing_url} has no ledger: nothing has landed there"
                    " yet (make ingest), or LANDING is another one than the ingest's"
                )
            print(f"nothing to wait for: no export in the last {arguments.days} days")
            return DONE
        raw = loads.Raw(snowflake, settings)
        comparison = loads.wait_until_loaded(
            raw, files, arguments.timeout, arguments.pause
        )
        if comparison.is_complete:
            print(f"raw is complete: {comparison}")
            return DONE
        history = raw.history()
    lines = [
        f"raw is not complete: {comparison}",
        *loads.first(comparison.problems(history)),
        "make doctor says why; make load-missing loads what is missing",
    ]
    print(*lines, sep="\n")
    page = "\n".join(["### Load", "", *(f"- {line}" for line in lines)])
    with contextlib.suppress(OSError):
        add_to_run_page(page + "\n\n")
    return NOT_AS_IT_SHOULD_BE


def _load_missing(settings: CloudSettings, arguments: argparse.Namespace) -> int:
    """Load the files of the ledger that are missing in raw, and nothing twice."""
    files = expected_files(open_landing(settings))
    with session(settings, settings.names.loader_role) as snowflake:
        raw = loads.Raw(snowflake, settings)
        comparison = raw.compare(files)
        repair = repairs.plan_repair(raw, comparison)
        if arguments.dry_run:
            for file in repair.refresh:
                print(f"would queue at {raw.pipe(file.table)}: {file.key}")
            for file in repair.copy:
                print(f"would copy into {file.table}: {file.key}")
        else:
            for line in repairs.apply_repair(raw, repair):
                print(line)
            wanted = [*repair.refresh, *repair.copy]
            if wanted:
                after = loads.wait_until_loaded(
                    raw, wanted, arguments.timeout, arguments.pause
                )
                for line in repairs.copy_what_pipes_leave(raw, repair, after):
                    print(line)
                    after = raw.compare(wanted)
                repair.problems += after.problems(raw.history())
    for problem in repair.problems:
        print(problem)
    if comparison.is_complete:
        print(f"nothing is missing: {comparison}")
    return NOT_AS_IT_SHOULD_BE if repair.problems else DONE


def _erase(settings: CloudSettings, arguments: argparse.Namespace) -> int:
    """Delete erased events from raw, and load the rewritten files."""
    landing = open_landing(settings)
    erasures = read_erasures(landing)
    if not erasures:
        print("no person was erased from this landing")
        return DONE
    with session(settings, settings.names.setup_role) as snowflake:
        for line in erase_from_raw(
            snowflake, settings, landing, erasures, arguments.timeout, arguments.pause
        ):
            print(line, flush=True)
    return _load_missing(settings, arguments)


def _cost(settings: CloudSettings, arguments: argparse.Namespace) -> int:
    """Show the credits of the last weeks: warehouses, pipes, clustering."""
    # Other roles may not read the account's usage.
    with session(settings, settings.names.admin_role) as snowflake:
        for line in cost(snowflake, settings, arguments.weeks):
            print(line)
    return DONE


def _deploy(settings: CloudSettings, arguments: argparse.Namespace) -> int:
    """Deploy the SQL: roles, warehouses, databases, stage, pipes, grants."""
    role_arn = settings.snowflake_role_arn
    if settings.is_on_s3 and settings.aws_region and not role_arn:
        deployed = Stack(settings).deployed()
        role_arn = deployed.outputs.get("SnowflakeRoleArn", "") if deployed else ""
    done = 0
    for line in deploy.deploy(
        settings,
        *deploy.FOLDERS,
        role_arn=role_arn,
        dry_run=arguments.dry_run,
        again=arguments.again,
    ):
        print(line, flush=True)
        done += 1
    if not done:
        print("Snowflake is up to date: nothing to run")
    return DONE


def _cloud_setup(settings: CloudSettings, arguments: argparse.Namespace) -> int:
    """Set up AWS and Snowflake, and connect them."""
    for line in cloud_setup(settings, dry_run=arguments.dry_run, again=arguments.again):
        print(line, flush=True)
    return DONE


def _cloud_teardown(settings: CloudSettings, arguments: argparse.Namespace) -> int:
    """Remove what cloud-setup created; data only if --delete names it."""
    delete = {name for text in arguments.delete for name in text.split(",") if name}
    for line in cloud_teardown(settings, delete, confirmed=arguments.confirm):
        print(line, flush=True)
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m snowflake_setup",
        description="Set up AWS and Snowflake, check them, and monitor the load.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True)
    waiting = argparse.ArgumentParser(add_help=False)
    waiting.add_argument(
        "--timeout",
        type=float,
        default=1800,
        metavar="SECONDS",
        help="how long to wait for the load (default: %(default)s)",
    )
    waiting.add_argument(
        "--pause",
        type=float,
        default=10,
        metavar="SECONDS",
        help="between two checks (default: %(default)s)",
    )

    for name, function in (("cloud-setup", _cloud_setup), ("deploy", _deploy)):
        command = _command(commands, name, function)
        _add_dry_run(command)
        command.add_argument(
            "--again",
            action="store_true",
            help="run all SQL again: restores what was dropped or revoked",
        )
    teardown = _command(commands, "cloud-teardown", _cloud_teardown)
    teardown.add_argument(
        "--delete",
        nargs="+",
        default=[],
        metavar="NAME",
        help="databases and the bucket to delete, with their contents",
    )
    teardown.add_argument(
        "--confirm",
        action="store_true",
        help="do it; without it the command only prints what it would do",
    )
    weeks = _command(commands, "cost", _cost)
    weeks.add_argument(
        "--weeks", type=_days, default=4, help="number of weeks (default: %(default)s)"
    )
    wait = _command(commands, "wait-loaded", _wait_loaded, [waiting])
    wait.add_argument(
        "--days",
        type=_days,
        default=7,
        help="check what was exported in the last days (default: %(default)s)",
    )
    wait.add_argument("--all", action="store_true", help="check the whole ledger")

    _command(commands, "erase", _erase, [waiting]).set_defaults(dry_run=False)

    missing = _command(commands, "load-missing", _load_missing, [waiting])
    _add_dry_run(missing)
    return parser


def _days(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} must be a whole number of at least 1")
    return int(text)


def _command(commands, name: str, function, parents=()) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, parents=parents, help=function.__doc__, description=function.__doc__
    )
    parser.set_defaults(command=function)
    return parser


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="only print what would be done"
    )


if __name__ == "__main__":
    exit_code = main()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.exit(exit_code)
