"""Settings of AWS and Snowflake: from the environment, then from `.env`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.settings import SettingsError, landing_of
from snowflake_setup import forms
from snowflake_setup.forms import Form

SIZES = ("xsmall", "small", "medium", "large", "xlarge", "xxlarge")


@dataclass(frozen=True)
class Names:
    """The names of the objects in Snowflake."""

    admin_role: str
    setup_role: str
    loader_role: str
    transformer_role: str
    reader_role: str
    # May be empty: then nothing is masked.
    unmasked_role: str
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
    """All settings of AWS and Snowflake."""

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
    kms_key_arn: str
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
        """Values that must never appear in a message."""
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
            stack=reader.of_form("AWS_STACK", forms.STACK, "amplitude-landing"),
            snowflake_role_arn=reader.of_form("SNOWFLAKE_AWS_ROLE_ARN", forms.ROLE_ARN),
            old_versions_days=reader.number("LANDING_OLD_VERSIONS_DAYS", 30, least=1),
            kms_key_arn=reader.of_form("LANDING_KMS_KEY_ARN", forms.KMS_KEY_ARN),
            archive_days=reader.number_or_never("LANDING_ARCHIVE_DAYS", least=30),
            expire_days=reader.number("LANDING_EXPIRE_DAYS", 0),
            github_subject=reader.of_form("GITHUB_SUBJECT", forms.SUBJECT),
            ci_public_key=reader.public_key("SNOWFLAKE_CI_PUBLIC_KEY_PATH"),
            error_topic_arn=reader.of_form(
                "SNOWFLAKE_ERROR_TOPIC_ARN", forms.TOPIC_ARN
            ),
            error_role_arn=reader.of_form("SNOWFLAKE_ERROR_ROLE_ARN", forms.ROLE_ARN),
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
    """Reads variables and checks their forms; an empty one counts as not set."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def text(self, name: str, default: str = "") -> str:
        return self._given.get(name) or default

    def of_form(self, name: str, form: Form, default: str = "") -> str:
        value = self.text(name, default)
        return form.check(name, value) if value else ""

    def identifier(self, name: str, default: str, form: Form = forms.NAME) -> str:
        return self.of_form(name, form, default).lower()

    def public_key(self, name: str) -> str:
        path = self.text(name)
        return forms.public_key(name, path) if path else ""

    def number(self, name: str, default: int, least: int = 0) -> int:
        value = self.text(name, str(default))
        if not (value.isdecimal() and len(value) < 10 and int(value) >= least):
            raise SettingsError(
                f"{name} is {forms.shown(value)}: it must be a whole number from"
                f" {least} on, such as {max(least, default)}"
            )
        return int(value)

    def number_or_never(self, name: str, least: int) -> int:
        return self.number(name, 0, least if self.text(name, "0") != "0" else 0)

    def one_of(self, name: str, values: tuple[str, ...]) -> str:
        value = self.text(name, values[0]).lower()
        if value not in values:
            raise SettingsError(
                f"{name} is {forms.shown(value)}: it must be one of {', '.join(values)}"
            )
        return value


def _names(reader: _Reader) -> Names:
    name = reader.identifier
    return Names(
        admin_role=name("SNOWFLAKE_ADMIN_ROLE", "accountadmin", forms.ADMIN_ROLE),
        setup_role=name("SNOWFLAKE_SETUP_ROLE", "setup", forms.ROLE),
        loader_role=name("SNOWFLAKE_LOADER_ROLE", "loader", forms.ROLE),
        transformer_role=name("SNOWFLAKE_ROLE", "transformer", forms.ROLE),
        reader_role=name("SNOWFLAKE_READER_ROLE", "reader", forms.ROLE),
        unmasked_role=name("SNOWFLAKE_UNMASKED_ROLE", "", forms.ROLE),
        warehouse=name("SNOWFLAKE_WAREHOUSE", "transforming"),
        dev_warehouse=name("SNOWFLAKE_DEV_WAREHOUSE", "developing"),
        resource_monitor=name("SNOWFLAKE_RESOURCE_MONITOR", "amplitude_warehouse"),
        raw_database=name("SNOWFLAKE_RAW_DATABASE", "raw", forms.DATABASE),
        raw_schema=name("SNOWFLAKE_RAW_SCHEMA", "amplitude", forms.SCHEMA),
        database=name("SNOWFLAKE_DATABASE", "analytics", forms.DATABASE),
        marts_schema=name("SNOWFLAKE_MARTS_SCHEMA", "amplitude", forms.SCHEMA),
        integration=name("SNOWFLAKE_STORAGE_INTEGRATION", "amplitude_landing"),
        error_integration=name("SNOWFLAKE_ERROR_INTEGRATION", "amplitude_load_errors"),
        ci_user=name("SNOWFLAKE_CI_USER", "amplitude_ci", forms.USER),
    )


def _sign_in(reader: _Reader) -> SignIn:
    return SignIn(
        account=reader.of_form("SNOWFLAKE_ACCOUNT", forms.ACCOUNT),
        user=reader.of_form("SNOWFLAKE_USER", forms.LOGIN),
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
    """It becomes part of SQL, so its form is checked here."""
    landing = landing_of(given)
    names = ("LANDING", "AWS_BUCKET", "AWS_BUCKET_NAME")
    name = next((name for name in names if given.get(name)), "LANDING")
    form = forms.BUCKET_URL if "://" in landing else forms.FOLDER
    return form.check(name, landing)
