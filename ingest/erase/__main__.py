"""The command line: `make erase`, or `python -m ingest.erase --help`."""

import argparse
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from dotenv import load_dotenv

from ingest import logs
from ingest.erase.eraser import Eraser, log
from ingest.erase.people import is_among
from ingest.erase.preview import describe, describe_given, describe_links
from ingest.erasures import (
    KINDS,
    Salt,
    check_salt,
    read_erasures,
)
from ingest.landing import LandingError, open_landing
from ingest.settings import Settings, SettingsError

DONE, LEFT, SETTINGS, _, _, NO_LANDING = range(6)
UNEXPECTED, INTERRUPTED = 70, 130
EXIT_CODES = """\
exit codes:
  0    done, or nothing to do
  1    an id has no event, or some files could not be looked at or rewritten: which,
       and what to do, is said
  2    a setting or an argument is missing or malformed
  5    the landing cannot be read or written
  70   an internal error; the log file has the details
  130  interrupted; it is safe to run it again
else   the exit code of COMMAND
"""
VARIABLES = dict(zip(("USER_IDS", "DEVICE_IDS", "AMPLITUDE_IDS"), KINDS, strict=True))


def main() -> int:
    started = datetime.now(UTC)
    os.umask(0o077)
    arguments = _parser().parse_args()
    load_dotenv(".env")
    try:
        settings = Settings.read(os.environ, with_amplitude=False)
        given = read_ids(os.environ)
        # Nothing that is said has an id in it; if anything ever had, it is left out.
        # A plain word or number is in our own words by chance.
        hidden = [value for _, value in given if not value.isalnum() and len(value) > 5]
        log_file = logs.start(started, settings.secrets + hidden, settings.log_days)
    except SettingsError as error:
        print(f"erase: {error}", file=sys.stderr)
        return SETTINGS
    except OSError as error:
        print(f"erase: the log file cannot be written: {error}", file=sys.stderr)
        return SETTINGS
    try:
        return _erase(settings, arguments, given, started)
    except SettingsError as error:
        code, problem = SETTINGS, str(error)
    except LandingError as error:
        code, problem = NO_LANDING, str(error)
    except KeyboardInterrupt:
        code, problem = INTERRUPTED, "interrupted; it is safe to run it again"
    except Exception as error:
        # Neither the message nor the trace: they may hold what was read.
        code, problem = UNEXPECTED, f"unexpected {type(error).__name__}"
        trace = error.__traceback__
        while trace:
            log.debug("at %s:%d", trace.tb_frame.f_code.co_filename, trace.tb_lineno)
            trace = trace.tb_next
    log.error("erase: %s", problem)
    log.info("log file: %s", log_file)
    return code


def read_ids(environment: Mapping[str, str]) -> set[tuple[str, str]]:
    """The given ids, each with its kind; without any, the ids erased before.

    Raises SettingsError, whose message holds no id.
    """
    ids = set()
    for variable, kind in VARIABLES.items():
        text = environment.get(variable, "").strip()
        if text.startswith("@"):
            try:
                lines = Path(text[1:]).read_text("utf-8-sig").splitlines()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "it is not UTF-8"
                raise SettingsError(
                    f"the file that {variable} names cannot be read: {reason}"
                ) from None
        else:
            lines = text.split(",")
        values = {form for line in lines for form in (line, line.strip()) if form}
        values -= {value for value in values if not value.strip()}
        if kind == "amplitude_id" and not all(v.strip().isdecimal() for v in values):
            raise SettingsError(f"{variable} holds something that is not a number")
        ids |= {(kind, value) for value in values}
    return ids


def _erase(
    settings: Settings,
    arguments: argparse.Namespace,
    given: set[tuple[str, str]],
    now: datetime,
) -> int:
    if not settings.erasure_salt:
        raise SettingsError(
            "ERASURE_SALT is not set: openssl rand -hex 32 makes one; keep it in .env"
            " and where the ingest runs (docs/erase-a-person.md)"
        )
    if not (settings.landing.startswith("s3://") or Path(settings.landing).is_dir()):
        raise SettingsError(f"LANDING is not a folder: {settings.landing}")
    landing = open_landing(settings)
    erasures = read_erasures(landing)
    if not (given or erasures):
        raise SettingsError(
            "say whom to erase: make erase USER_IDS=…, DEVICE_IDS=… or AMPLITUDE_IDS=…,"
            " separated by commas, or @file with one id a line"
        )
    salt = (
        check_salt(erasures, settings.erasure_salt)
        if erasures
        else Salt(settings.erasure_salt)
    )
    eraser = Eraser(landing, salt, arguments.project, erasures, now)
    scan, links = eraser.look(given, also_linked=arguments.also_linked)
    known = {one for one in given if is_among(eraser.recorded.ids, eraser.hashed(*one))}
    missing = {
        (kind, value.strip()) for kind, value in given - known
    } - links.event_counts.keys()
    missing -= {(kind, value.strip()) for kind, value in known}
    for line in (
        *describe(scan.found),
        *describe_given(links, missing, arguments),
        *describe_links(links, arguments),
    ):
        print(line)
    for problem in scan.problems:
        log.warning("%s", problem)
    left = LEFT if scan.problems else DONE
    if missing and not arguments.anyway:
        left = LEFT
        log.warning(
            "%d ids that were given have no event in the landing, and are not recorded:"
            " check them; ANYWAY=1 records them",
            len(missing),
        )
    if not any(one.erased_count for one in scan.found):
        # Erased before: what follows may have been left to do.
        if known:
            print("the landing holds none of their events: they were erased before")
        elif given:
            print("nothing found: no event in the landing has any of these ids")
        else:
            print("nothing found: the landing holds no event of anyone erased before")
        if not known and not (given and arguments.anyway):
            return left
    if not _is_confirmed(arguments):
        print("nothing was changed: add CONFIRM=1 to erase")
        return left
    wanted = {
        eraser.hashed(kind, value)
        for kind, value in given
        if arguments.anyway or (kind, value.strip()) not in missing
    }
    with landing.locked():
        for problem in eraser.erase(scan, wanted, set(links.linked)):
            log.warning("%s", problem)
            left = LEFT
    log.info(
        "erased %d events from %d files of the landing",
        eraser.event_count,
        eraser.file_count,
    )
    return (arguments.command and _run(arguments.command)) or left


def _is_confirmed(arguments: argparse.Namespace) -> bool:
    if arguments.confirm:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return input("type yes to erase them for good: ").strip() == "yes"


def _run(command: list[str]) -> int:
    """Run the command that follows. It needs no ids, so it gets none."""
    environment = {
        name: value
        for name, value in os.environ.items()
        # make hands variables on that were given on its command line.
        if name not in (*VARIABLES, "MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    }
    return subprocess.run(command, env=environment).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ingest.erase",
        description="Erase persons from the landing. USER_IDS, DEVICE_IDS and"
        " AMPLITUDE_IDS in the environment say whom: ids separated by commas, or @file"
        " with one id a line; without an id, persons erased before.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--confirm",
        action="store_true",
        help="erase; without it what would be erased is only shown",
    )
    parser.add_argument(
        "--project", type=_project, help="in this project only (default: in all)"
    )
    parser.add_argument(
        "--also-linked",
        action="store_true",
        help="also what other ids seen with them have sent: devices that no other user"
        " was on, and the user ids of amplitude ids",
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="record also ids that no event in the landing has, so that what arrives"
        " later is left out, and look in the warehouse",
    )
    parser.add_argument(
        "command", nargs="*", metavar="COMMAND", help="run this after it"
    )
    return parser


def _project(text: str) -> str:
    if not re.fullmatch(r"\d{1,20}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a project")
    return text


if __name__ == "__main__":
    exit_code = main()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.exit(exit_code)
