"""Settings of AWS and Snowflake: from the environment, then from `.env`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.settings import SettingsError

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
TOPIC_ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+")
SUBJECT = re.compile(r"repo:[^*?'\s]+/[^*?'\s]+:[^*?'\s]+")
SIZES = ("xsmall", "small", "medium", "large", "xlarge", "xxlarge")


@dataclass(frozen=True)
class Names:
    """What the objects in Snowflake are called."""

    admin_role: str
    setup_role: str
    loader_role: str
    transformer_role: str
    reader_role: str
    warehouse: str
    dev_warehouse: str
    resource_monitor: str
    raw_database: str
    raw_schema: str
    database: str
    marts_schema: str
    integration: str
    error_integration: str
    ci_user: str

    @property
    def raw(self) -> str:
        """The schema that holds the raw tables, the stage and the pipes."""
        return f"{self.raw_database}.{self.raw_schema}"


@dataclass(frozen=True)
class SignIn:
    """How a session with Snowflake is opened."""

    account: str
    user: str
    authenticator: str
    private_key_path: str
    private_key: str = field(repr=False)
    private_key_passphrase: str = field(repr=False)
    password: str = field(repr=False)
    token: str = field(repr=False)
    # Of the emulator only: an account has neither.
    host: str
    port: int
    protocol: str


@dataclass(frozen=True)
class CloudSettings:
    """Everything `snowflake_setup` is told from outside."""

    names: Names
    sign_in: SignIn
    warehouse_size: str
    monthly_credits: int
    landing: str
    aws_region: str | None
    aws_access_key: str | None = field(repr=False)
    aws_secret_key: str | None = field(repr=False)
    stack: str
    snowflake_role_arn: str
    old_versions_days: int
    archive_days: int
    expire_days: int
    github_subject: str
    ci_public_key: str
    error_topic_arn: str
    error_role_arn: str
    given: Mapping[str, str] = field(repr=False)

    @property
    def is_on_s3(self) -> bool:
        return self.landing.startswith("s3://")

    @property
    def bucket(self) -> str:
        """The landing's bucket. Raises SettingsError if it is a folder."""
        if not self.is_on_s3:
            raise SettingsError(
                "LANDING is a folder: set AWS_BUCKET, or LANDING=s3://bucket/prefix,"
                " in .env"
            )
        return self.landing.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        """The landing's folder in the bucket, with a slash at its end, or nothing."""
        if not self.is_on_s3:
            return ""
        prefix = self.landing.removeprefix("s3://").partition("/")[2].strip("/")
        return prefix + "/" if prefix else ""

    @property
    def landing_url(self) -> str:
        """The landing as a stage names it, with a slash at its end."""
        if self.is_on_s3:
            return f"s3://{self.bucket}/{self.prefix}"
        return Path(self.landing).resolve().as_uri() + "/"

    @property
    def secrets(self) -> list[str]:
        """What must never be seen in a message."""
        values = (
            self.sign_in.password,
            self.sign_in.private_key,
            self.sign_in.private_key_passphrase,
            self.sign_in.token,
            self.aws_secret_key,
            self.given.get("AMP_SECRET_KEY"),
            self.given.get("AWS_SECRET_ACCESS_KEY"),
            self.given.get("AWS_SESSION_TOKEN"),
        )
        return [value for value in values if value and len(value) > 3]

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "CloudSettings":
        """Raises SettingsError for the first variable that is malformed."""
        given = {name: value.strip() for name, value in environment.items()}
        reader = _Reader(given)
        stack = given.get("AWS_STACK") or "amplitude-landing"
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,50}", stack):
            raise SettingsError(
                f"AWS_STACK is not a name of letters, digits and -: {stack}"
            )
        return cls(
            names=_names(reader),
            sign_in=_sign_in(reader),
            warehouse_size=reader.one_of("SNOWFLAKE_WAREHOUSE_SIZE", SIZES),
            monthly_credits=reader.number("SNOWFLAKE_MONTHLY_CREDITS", 30, least=1),
            landing=_landing(given),
            aws_region=given.get("AWS_REGION")
            or given.get("AWS_DEFAULT_REGION")
            or None,
            aws_access_key=given.get("AWS_ACCESS_KEY") or None,
            aws_secret_key=given.get("AWS_SECRET_KEY") or None,
            stack=stack,
            snowflake_role_arn=reader.matching(
                "SNOWFLAKE_AWS_ROLE_ARN", ROLE_ARN, "arn:aws:iam::…:role/…"
            ),
            old_versions_days=reader.number("LANDING_OLD_VERSIONS_DAYS", 30, least=1),
            archive_days=reader.number_or_never("LANDING_ARCHIVE_DAYS", least=30),
            expire_days=reader.number("LANDING_EXPIRE_DAYS", 0),
            github_subject=reader.matching(
                "GITHUB_SUBJECT", SUBJECT, "repo:owner/name:ref:refs/heads/main"
            ),
            ci_public_key=_public_key(given.get("SNOWFLAKE_CI_PUBLIC_KEY_PATH")),
            error_topic_arn=reader.matching(
                "SNOWFLAKE_ERROR_TOPIC_ARN", TOPIC_ARN, "arn:aws:sns:…"
            ),
            error_role_arn=reader.matching(
                "SNOWFLAKE_ERROR_ROLE_ARN", ROLE_ARN, "arn:aws:iam::…:role/…"
            ),
            given=given,
        )

    def require(self, *names: str) -> None:
        """Raises SettingsError for the first of the variables that is not set."""
        for name in names:
            if not self.given.get(name):
                raise SettingsError(
                    f"{name} is not set: set it in .env (see .env.example) or in the"
                    " environment"
                )


class _Reader:
    """Reads variables in their forms; an empty one is as one that is not set."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def text(self, name: str, default: str = "") -> str:
        return self._given.get(name) or default

    def identifier(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not IDENTIFIER.fullmatch(value):
            raise SettingsError(
                f"{name} is not a plain name of letters, digits and _: {value}"
            )
        return value.lower()

    def number(self, name: str, default: int, least: int = 0) -> int:
        value = self.text(name, str(default))
        if not value.isdecimal() or int(value) < least:
            raise SettingsError(f"{name} is not a number from {least} on: {value}")
        return int(value)

    def number_or_never(self, name: str, least: int) -> int:
        return self.number(name, 0, least if self.text(name, "0") != "0" else 0)

    def one_of(self, name: str, values: tuple[str, ...]) -> str:
        value = self.text(name, values[0]).lower()
        if value not in values:
            raise SettingsError(f"{name} is none of {', '.join(values)}: {value}")
        return value

    def matching(self, name: str, form: re.Pattern[str], example: str) -> str:
        value = self.text(name)
        if value and not form.fullmatch(value):
            raise SettingsError(f"{name} is not of the form {example}: {value}")
        return value


def _names(reader: _Reader) -> Names:
    return Names(
        admin_role=reader.identifier("SNOWFLAKE_ADMIN_ROLE", "accountadmin"),
        setup_role=reader.identifier("SNOWFLAKE_SETUP_ROLE", "setup"),
        loader_role=reader.identifier("SNOWFLAKE_LOADER_ROLE", "loader"),
        transformer_role=reader.identifier("SNOWFLAKE_ROLE", "transformer"),
        reader_role=reader.identifier("SNOWFLAKE_READER_ROLE", "reader"),
        warehouse=reader.identifier("SNOWFLAKE_WAREHOUSE", "transforming"),
        dev_warehouse=reader.identifier("SNOWFLAKE_DEV_WAREHOUSE", "developing"),
        resource_monitor=reader.identifier(
            "SNOWFLAKE_RESOURCE_MONITOR", "amplitude_warehouse"
        ),
        raw_database=reader.identifier("SNOWFLAKE_RAW_DATABASE", "raw"),
        raw_schema=reader.identifier("SNOWFLAKE_RAW_SCHEMA", "amplitude"),
        database=reader.identifier("SNOWFLAKE_DATABASE", "analytics"),
        marts_schema=reader.identifier("SNOWFLAKE_MARTS_SCHEMA", "amplitude"),
        integration=reader.identifier(
            "SNOWFLAKE_STORAGE_INTEGRATION", "amplitude_landing"
        ),
        error_integration=reader.identifier(
            "SNOWFLAKE_ERROR_INTEGRATION", "amplitude_load_errors"
        ),
        ci_user=reader.identifier("SNOWFLAKE_CI_USER", "amplitude_ci"),
    )


def _sign_in(reader: _Reader) -> SignIn:
    return SignIn(
        account=reader.text("SNOWFLAKE_ACCOUNT"),
        user=reader.text("SNOWFLAKE_USER"),
        authenticator=reader.text("SNOWFLAKE_AUTHENTICATOR").lower(),
        private_key_path=reader.text("SNOWFLAKE_PRIVATE_KEY_PATH"),
        private_key=reader.text("SNOWFLAKE_PRIVATE_KEY"),
        private_key_passphrase=reader.text("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"),
        password=reader.text("SNOWFLAKE_PASSWORD"),
        token=reader.text("SNOWFLAKE_TOKEN"),
        host=reader.text("SNOWFLAKE_HOST"),
        port=reader.number("SNOWFLAKE_PORT", 443, least=1),
        protocol=reader.text("SNOWFLAKE_PROTOCOL", "https"),
    )


def _landing(given: Mapping[str, str]) -> str:
    bucket = given.get("AWS_BUCKET") or given.get("AWS_BUCKET_NAME")
    landing = given.get("LANDING") or (f"s3://{bucket}" if bucket else "data/landing")
    if landing.startswith("s3://") and not landing.removeprefix("s3://").strip("/"):
        raise SettingsError("LANDING names no bucket: it is like s3://bucket/prefix")
    if "://" in landing and not landing.startswith("s3://"):
        raise SettingsError("LANDING is neither s3://bucket/prefix nor a folder")
    if any(character in landing for character in "'\\\n"):
        raise SettingsError("LANDING holds a quote or a backslash")
    return landing


def _public_key(path: str | None) -> str:
    """The key as Snowflake takes it: the base64 of the PEM file, on one line."""
    if not path:
        return ""
    try:
        lines = Path(path).read_text(encoding="ascii").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"SNOWFLAKE_CI_PUBLIC_KEY_PATH cannot be read: {path}"
        ) from error
    if not any("BEGIN PUBLIC KEY" in line for line in lines):
        raise SettingsError(
            f"SNOWFLAKE_CI_PUBLIC_KEY_PATH is no public key in PEM form: {path}"
        )
    return "".join(line.strip() for line in lines if "-----" not in line)
