"""The command line: `python -m ingest --help`."""

import argparse
import contextlib
import logging
import os
import sys
from datetime import UTC, datetime, timedelta

from dotenv import load_dotenv
from tqdm.contrib.logging import logging_redirect_tqdm

from ingest import logs
from ingest.answers import MOST_REQUESTS_AT_ONCE, Options
from ingest.buffer import BufferFull
from ingest.calendar import calendar
from ingest.clock import WrongClock, difference
from ingest.erasures import read_erased
from ingest.export import NotAnExportApi, Outage, Refused, Unreachable
from ingest.landing import Landing, LandingError, open_landing
from ingest.landing.ledger import Ledger, projects_of
from ingest.pending import LONGEST_WINDOW_HOURS
from ingest.run import Run
from ingest.settings import Settings, SettingsError
from ingest.summary import Summary, add_to_run_page
from ingest.verify import verify
from ingest.windows import Window, last_safe_hour, parse_hour, windows

log = logging.getLogger("ingest")

DONE, HOURS_OPEN, SETTINGS, CREDENTIALS, NO_AMPLITUDE, NO_LANDING = range(6)
UNEXPECTED, INTERRUPTED = 70, 130

EXIT_CODES = """\
exit codes:
  0    done: every hour asked for is settled
  1    some hours stay open or are too large for the Export API, or files are damaged,
       or erased files are back
  2    a setting or an argument is missing or malformed, or the clock is wrong
  3    Amplitude rejects the keys
  4    Amplitude cannot be reached
  5    the landing cannot be read or written
  70   an internal error; the log file has the details
  130  interrupted; the next run goes on from there
"""


def main() -> int:
    started = datetime.now(UTC)
    # Events are personal data: what a run writes is for its own user alone.
    os.umask(0o077)
    arguments = _parser().parse_args()
    load_dotenv(".env")
    try:
        # A command that only reads the landing needs no keys.
        looks = (arguments.ledger or arguments.verify) and not arguments.repair
        settings = Settings.read(os.environ, with_amplitude=not looks)
        log_file = logs.start(started, settings.secrets, settings.log_days)
    except SettingsError as error:
        print(f"ingest: {error}", file=sys.stderr)
        return SETTINGS
    except OSError as error:
        print(f"ingest: the log file cannot be written: {error}", file=sys.stderr)
        return SETTINGS
    summary = Summary()
    code, problem = _try(settings, arguments, started, summary)
    if problem:
        log.error("ingest: %s", problem)
        summary.problems.append(problem)
    if not (arguments.dry_run or arguments.ledger or arguments.verify):
        _add_to_run_page(summary, settings)
    log.info("log file: %s", log_file)
    return code


def _try(
    settings: Settings,
    arguments: argparse.Namespace,
    started: datetime,
    summary: Summary,
) -> tuple[int, str | None]:
    """Run the command. Returns the exit code, and the reason of a failure."""
    try:
        with logging_redirect_tqdm(tqdm_class=logs.Bar):
            return _ingest(settings, arguments, started, summary), None
    except (SettingsError, WrongClock) as error:
        return SETTINGS, str(error)
    except Refused as error:
        return CREDENTIALS, str(error)
    except Unreachable as error:
        return NO_AMPLITUDE, f"{settings.export_url} cannot be reached: {error}"
    except NotAnExportApi as error:
        return NO_AMPLITUDE, str(error)
    except Outage as error:
        return HOURS_OPEN, f"{error}; the hours left stay open for the next run"
    except (LandingError, BufferFull) as error:
        return NO_LANDING, str(error)
    except KeyboardInterrupt:
        return INTERRUPTED, "interrupted; the next run continues from here"
    except Exception as error:
        log.debug("the details:", exc_info=error)
        return UNEXPECTED, f"unexpected {type(error).__name__}: {error}"


def _add_to_run_page(summary: Summary, settings: Settings) -> None:
    try:
        add_to_run_page(logs.redact(summary.to_markdown(), settings.secrets))
    except OSError as error:
        log.warning("the job summary cannot be written: %s", error)


def _ingest(
    settings: Settings,
    arguments: argparse.Namespace,
    now: datetime,
    summary: Summary,
) -> int:
    landing = open_landing(settings)
    if not (settings.api_key or settings.project_id):
        ledgers = [Ledger(landing, "", name, now) for name in projects_of(landing, now)]
        codes = [_look(settings, arguments, landing, one, now) for one in ledgers]
        if not codes:
            log.info("nothing has landed in %s yet", settings.landing)
        return max(codes, default=DONE)
    ledger = Ledger(landing, settings.api_key_id, settings.project_id, now)
    if arguments.ledger or (arguments.verify and not arguments.repair):
        return _look(settings, arguments, landing, ledger, now)
    # What the server's clock has seen already cannot lie in the future.
    if (newest := ledger.newest_server_time) and not arguments.dry_run:
        problem = difference(
            min(now - newest, timedelta()), f"the ledger, which has {newest:%F %T}"
        )
        if problem:
            log.warning("%s", problem)
            summary.problems.append(problem)
    wanted = _wanted(settings, arguments, ledger, now)
    if wanted is None:
        return DONE
    check = None
    if arguments.repair:
        check = verify(landing, ledger, wanted)
        print(*check.lines(), sep="\n")
    hours = [
        hour
        for hour in (check.hours if check else wanted.hours())
        if check or arguments.force or ledger.is_open(hour)
    ]
    if arguments.dry_run:
        limit = ledger.window_limit_hours or LONGEST_WINDOW_HOURS
        for window in windows(hours, limit):
            print(window)
        return DONE
    log.info("%s: %d hours to request", wanted, len(hours))
    erased = read_erased(landing, settings.erasure_salt)
    options = Options(
        arguments.format,
        arguments.validate,
        arguments.workers,
        replace=arguments.force or arguments.repair,
    )
    try:
        Run(settings, landing, ledger, options, summary, erased).land(hours)
    finally:
        summary.seconds = (datetime.now(UTC) - now).total_seconds()
        log.info("%s", summary)
    not_landed = summary.hours["open"] + summary.hours["too_large"]
    return HOURS_OPEN if not_landed else DONE


def _look(
    settings: Settings,
    arguments: argparse.Namespace,
    landing: Landing,
    ledger: Ledger,
    now: datetime,
) -> int:
    """Show the ledger, or check its files, and land nothing."""
    if (wanted := _wanted(settings, arguments, ledger, now)) is None:
        return DONE
    if arguments.ledger:
        print(*calendar(wanted, ledger), sep="\n")
    if not arguments.verify:
        return DONE
    check = verify(landing, ledger, wanted)
    print(*check.lines(), sep="\n")
    return HOURS_OPEN if check.hours or check.erased else DONE


def _wanted(
    settings: Settings, arguments: argparse.Namespace, ledger: Ledger, now: datetime
) -> Window | None:
    first = arguments.start or settings.start or ledger.first_hour
    if first is None:
        raise SettingsError(
            "nothing has landed yet, so say where to begin:"
            " make ingest START=2026-01-31, or AMP_START in .env"
        )
    safe = last_safe_hour(now)
    # Without keys nothing more can land here.
    newest = safe if settings.api_key else ledger.last_hour
    last = arguments.end or newest or safe
    if arguments.end and first > last:
        raise SettingsError(f"END is before the first hour, {Window(first, first)}")
    if max(first, last) > safe:
        log.info("hours after %s are not complete at Amplitude yet", Window(safe, safe))
    return Window(first, min(last, safe)) if first <= safe else None


def _first_hour(text: str, *, end: bool = False) -> datetime:
    try:
        return parse_hour(text, end=end)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a day or hour like 2026-01-31 or 2026-01-31T05"
        ) from None


def _last_hour(text: str) -> datetime:
    return _first_hour(text, end=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ingest",
        description="Land Amplitude's exported events in S3 or a folder. Without"
        " arguments it brings the landing up to date.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--start",
        type=_first_hour,
        help="first day or hour (UTC, upload time), as 2026-01-31 or 2026-01-31T05",
    )
    parser.add_argument(
        "--end",
        type=_last_hour,
        help="last day or hour, inclusive",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only print which hours would be requested",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="also request settled hours, and replace damaged files",
    )
    parser.add_argument(
        "--ledger", action="store_true", help="only show what each hour holds"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="only check every landed file against the ledger and its hash",
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="request the hours of damaged or missing files again, and replace them",
    )
    parser.add_argument(
        "--format",
        choices=["json.gz", "json"],
        default="json.gz",
        help="land files gzipped as delivered, or inflated (default: %(default)s)",
    )
    parser.add_argument(
        "--validate",
        action="store_true",
        help="parse every line as JSON (slow; the default checks the outer braces)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        choices=range(1, MOST_REQUESTS_AT_ONCE + 1),
        default=MOST_REQUESTS_AT_ONCE,
        help="requests at once (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    exit_code = main()
    logging.shutdown()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    # Ends threads that wait for Amplitude, too: nothing of theirs is recorded.
    os._exit(exit_code)
