"""Settings: from the environment, then from `.env`."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Literal, cast
from urllib.parse import urlsplit

from ingest.network import NetworkSettingError, check_certificates
from ingest.windows import parse_hour

Region = Literal["us", "eu"]

# https://amplitude.com/docs/apis/analytics/export
EXPORT_URLS: dict[str, str] = {
    "us": "https://amplitude.com/api/2/export",
    "eu": "https://analytics.eu.amplitude.com/api/2/export",
}
# Read by requests and by boto3.
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
# People who can read the records of erasures must not be able to guess it.
SHORTEST_SALT = 32
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SettingsError(Exception):
    """A setting is missing or malformed; the message names it and where to set it."""


@dataclass(frozen=True)
class Settings:
    """All settings of the ingest."""

    api_key: str
    secret_key: str = field(repr=False)
    region: Region
    export_url: str
    landing: str
    start: datetime | None
    project_id: str | None
    timeout_seconds: float
    answer_seconds: float
    backoff_seconds: float
    log_days: int
    aws_region: str | None
    aws_access_key: str | None = field(repr=False)
    aws_secret_key: str | None = field(repr=False)
    erasure_salt: str | None = field(repr=False)

    @property
    def api_key_id(self) -> str:
        """Identifies the API key, and so the project, without showing the key."""
        return self.api_key and sha256(self.api_key.encode()).hexdigest()[:16]

    @property
    def secrets(self) -> list[str]:
        """Values that must never appear in a log."""
        keys = f"{self.api_key}:{self.secret_key}".encode()
        values = (
            b64encode(keys).decode(),
            self.secret_key,
            self.api_key,
            self.aws_secret_key,
            self.erasure_salt,
        )
        return [value for value in values if value]

    @classmethod
    def read(
        cls, environment: Mapping[str, str], *, with_amplitude: bool = True
    ) -> "Settings":
        """Without Amplitude, the keys of its API may be missing.

        Raises SettingsError for the first variable that is missing or malformed.
        """
        given = {name: value.strip() for name, value in environment.items()}

        def required(name: str) -> str:
            if not given.get(name):
                raise SettingsError(
                    f"{name} is not set: set it in .env (see .env.example) or in the"
                    " environment"
                )
            if not given[name].isascii():
                raise SettingsError(f"{name} contains a character that is not ASCII")
            return given[name]

        def seconds(name: str, default: float) -> float:
            try:
                value = float(given.get(name) or default)
            except ValueError:
                value = 0
            if not 0 < value < float("inf"):
                raise SettingsError(f"{name} is not a number of seconds: {given[name]}")
            return value

        log_days = given.get("AMP_LOG_DAYS") or "30"
        if not (log_days.isdecimal() and len(log_days) <= 5):
            raise SettingsError(f"AMP_LOG_DAYS is not a number of days: {log_days}")
        try:
            check_certificates(given, CERTIFICATES)
        except NetworkSettingError as error:
            raise SettingsError(str(error)) from error
        region = given.get("AMP_REGION") or "us"
        if region not in EXPORT_URLS:
            raise SettingsError(f"AMP_REGION must be us or eu, not {region}")
        project_id = given.get("AMP_PROJECT_ID") or None
        if project_id and not project_id.isdecimal():
            raise SettingsError(f"AMP_PROJECT_ID is not a number: {project_id}")
        access_key = given.get("AWS_ACCESS_KEY") or None
        secret_key = given.get("AWS_SECRET_KEY") or None
        if bool(access_key) != bool(secret_key):
            missing = "AWS_SECRET_KEY" if access_key else "AWS_ACCESS_KEY"
            required(missing)
        erasure_salt = given.get("ERASURE_SALT") or None
        if erasure_salt and len(erasure_salt) < SHORTEST_SALT:
            raise SettingsError(
                f"ERASURE_SALT has fewer than {SHORTEST_SALT} characters:"
                " openssl rand -hex 32 makes one"
            )
        keys = ("AMP_API_KEY", "AMP_SECRET_KEY")
        api_key, amplitude_key = (
            required(name) if with_amplitude else given.get(name, "") for name in keys
        )
        return cls(
            api_key=api_key,
            secret_key=amplitude_key,
            region=cast(Region, region),
            export_url=_export_url(given.get("AMP_EXPORT_URL") or EXPORT_URLS[region]),
            landing=landing_of(given),
            start=_start(given.get("AMP_START")),
            project_id=project_id,
            timeout_seconds=seconds("AMP_TIMEOUT_SECONDS", 300),
            answer_seconds=seconds("AMP_ANSWER_SECONDS", 1800),
            backoff_seconds=seconds("AMP_BACKOFF_SECONDS", 1),
            log_days=int(log_days),
            aws_region=given.get("AWS_REGION") or None,
            aws_access_key=access_key,
            aws_secret_key=secret_key,
            erasure_salt=erasure_salt,
        )


def _export_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if (
        not host
        or parts.scheme not in ("http", "https")
        or "@" in parts.netloc
        or parts.query
    ):
        raise SettingsError(
            "AMP_EXPORT_URL is not an address like https://host/api/2/export"
        )
    if parts.scheme == "http" and host not in LOOPBACK:
        raise SettingsError(
            "AMP_EXPORT_URL is not https: the keys would travel in the clear"
        )
    return url


def landing_of(given: Mapping[str, str]) -> str:
    """The folder, or s3://bucket/prefix. Raises SettingsError."""
    bucket = given.get("AWS_BUCKET") or given.get("AWS_BUCKET_NAME")
    landing = given.get("LANDING") or (f"s3://{bucket}" if bucket else "data/landing")
    if landing.startswith("s3://") and not landing.removeprefix("s3://").strip("/"):
        raise SettingsError("LANDING names no bucket: the form is s3://bucket/prefix")
    if "://" in landing and not landing.startswith("s3://"):
        raise SettingsError("LANDING is neither s3://bucket/prefix nor a folder")
    return landing


def _start(text: str | None) -> datetime | None:
    try:
        return parse_hour(text) if text else None
    except ValueError:
        raise SettingsError(
            f"AMP_START is not a day or hour like 2026-01-31 or 2026-01-31T05: {text}"
        ) from None
