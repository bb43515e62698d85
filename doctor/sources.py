"""The links on Amplitude's side, which every pipeline has."""

from datetime import UTC, datetime

import requests

from doctor.checks import CheckFailed, CheckSkipped, Context
from ingest.clock import Clock, WrongClock, parse_date
from ingest.export import (
    Busy,
    ExportClient,
    NoData,
    NotAnExportApi,
    Refused,
    Unreachable,
    WindowTooLarge,
)
from ingest.settings import Settings
from ingest.windows import Window, last_safe_hour

# Shows where Amplitude is, without keys.
UNKEYED = {"AMP_API_KEY": "-", "AMP_SECRET_KEY": "-"}
# Snowflake and AWS refuse what is signed at another time than theirs; the first after
# about a minute.
CLOCK_MAY_DIFFER_SECONDS = 60
SET_CLOCK = "sudo timedatectl set-ntp true"


def clock(context: Context) -> str:
    """Compare with the clock of Amplitude's server, which needs no keys."""
    url = Settings.read({**context.settings.given, **UNKEYED}).export_url
    try:
        reported = requests.head(url, timeout=(10, 10)).headers.get("Date", "")
    except requests.RequestException:
        reported = ""
    if not (date := parse_date(reported)):
        raise CheckSkipped(f"{url} sent no time")
    ahead = (datetime.now(UTC) - date).total_seconds()
    if abs(ahead) > CLOCK_MAY_DIFFER_SECONDS:
        raise CheckFailed(
            f"this machine's clock is {abs(ahead):.0f} s"
            f" {'ahead' if ahead > 0 else 'behind'}: AWS and Snowflake refuse what it"
            " signs",
            SET_CLOCK,
        )
    return "right within a minute"


def amplitude(context: Context) -> str:
    """Asks for one hour, and leaves its archive where it is."""
    settings = Settings.read(context.settings.given)
    hour = last_safe_hour(datetime.now(UTC))
    where = f"{settings.export_url} (AMP_REGION={settings.region})"
    try:
        client = ExportClient(settings, lambda: False, Clock(lambda _: None))
        with client.open(Window(hour, hour)):
            pass
    except (NoData, WindowTooLarge):
        pass  # an answer of the API to keys that it takes
    except Refused as error:
        raise CheckFailed(
            f"{where} rejects the keys: {error}",
            "set AMP_API_KEY and AMP_SECRET_KEY of one project in .env, and AMP_REGION"
            f" of its data: {'eu' if settings.region == 'us' else 'us'}?",
        ) from error
    except (Unreachable, NotAnExportApi) as error:
        raise CheckFailed(
            f"{where}: {error}", "check AMP_REGION, AMP_EXPORT_URL, proxy"
        ) from (error)
    except WrongClock as error:
        raise CheckFailed(f"{where}: {error}", SET_CLOCK) from error
    except Busy as error:
        raise CheckFailed(f"{where} is busy: {error}", "make doctor, later") from error
    return f"the keys are accepted, {where}"
