"""What a setting may look like that becomes part of SQL, a template or a command.

A value is refused unless it has the form of its kind: nothing else is between a setting
and the SQL of an administrator.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from ingest.settings import SettingsError

# https://docs.snowflake.com/en/user-guide/key-pair-auth
LEAST_KEY_BITS = 2048


@dataclass(frozen=True)
class Form:
    """A kind of value: the whole value matches the pattern and is not `taken`."""

    words: str
    example: str
    pattern: str
    taken: frozenset[str] = frozenset()

    def check(self, name: str, value: str) -> str:
        """The value. Raises SettingsError, which names the setting and the form."""
        if value.lower() in self.taken:
            raise SettingsError(
                f"{name} is {value}, which is Snowflake's own: it must be {self.words}"
                f" of yours, such as {self.example}"
            )
        if not re.fullmatch(self.pattern, value, re.ASCII):
            raise SettingsError(
                f"{name} is {shown(value)}: it must be {self.words}, such as"
                f" {self.example}"
            )
        return value


def shown(value: str) -> str:
    """The value on one line, and not the whole of a long one."""
    line = " ".join(value.split())
    return line if len(line) <= 80 else line[:80] + "…"


# Unquoted names, which Snowflake folds to one case. System warehouses have $ in theirs.
NAME_PATTERN = r"(?!system\$|SYSTEM\$)[A-Za-z_][A-Za-z0-9_$]{0,254}"
NAME_WORDS = "a name of letters, digits, _ and $, not quoted"
NAME = Form(NAME_WORDS, "amplitude", NAME_PATTERN)
ROLE = Form(
    NAME_WORDS,
    "amplitude_reader",
    NAME_PATTERN,
    frozenset(
        {
            "accountadmin",
            "globalorgadmin",
            "orgadmin",
            "public",
            "securityadmin",
            "sysadmin",
            "useradmin",
        }
    ),
)
# A role that administers the account may be one of Snowflake's own.
ADMIN_ROLE = Form(NAME_WORDS, "accountadmin", NAME_PATTERN)
DATABASE = Form(
    NAME_WORDS,
    "analytics",
    NAME_PATTERN,
    frozenset({"snowflake", "snowflake_sample_data"}),
)
SCHEMA = Form(NAME_WORDS, "amplitude", NAME_PATTERN, frozenset({"information_schema"}))
USER = Form(NAME_WORDS, "amplitude_ci", NAME_PATTERN, frozenset({"snowflake"}))
LOGIN = Form(
    "a user's name or e-mail address",
    "jane@example.com",
    r"[^\s'\"\\;]+( [^\s'\"\\;]+)*",
)
ACCOUNT = Form(
    "an account identifier, not an address",
    "organization-account",
    r"[A-Za-z0-9][\w.-]*",
)
ROLE_ARN = Form(
    "the ARN of a role",
    "arn:aws:iam::123456789012:role/landing",
    r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+",
)
TOPIC_ARN = Form(
    "the ARN of an SNS topic",
    "arn:aws:sns:us-east-1:123456789012:errors",
    r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[\w-]+",
)
KMS_KEY_ARN = Form(
    "the ARN of a KMS key, not of an alias",
    "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+",
)
SUBJECT = Form(
    "the subject of the workflow's token",
    "repo:owner/name:ref:refs/heads/main",
    r"repo:[\w.@-]+/[\w.@-]+:[\w.@/:%+#=,-]+",
)
STACK = Form(
    "a name of letters, digits and -",
    "amplitude-landing",
    r"[A-Za-z][A-Za-z0-9-]{0,50}",
)
BUCKET_URL = Form(
    "s3://, a bucket's name, and a folder of letters, digits and !_.()=-",
    "s3://bucket/prefix",
    r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w!.()=-]+)*/?",
)
FOLDER = Form(
    "a folder without a quote or \\ in its path", "data/landing", r"[^'\"\\\n]+"
)


def public_key(name: str, path: str) -> str:
    """The key of a PEM file as Snowflake takes it: base64 of the DER form, on a line.

    It is parsed and formatted again, so that nothing else of the file gets into SQL.
    Raises SettingsError.
    """
    # Not among what `make setup` installs for DuckDB.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{name} cannot be read: {shown(path)}: {error.strerror}"
        ) from error
    try:
        key = serialization.load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"{name} is not a public key in PEM form: {shown(path)}: write it with"
            " openssl rsa -pubout (see README.md)"
        ) from error
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_KEY_BITS:
        raise SettingsError(
            f"{name} is not an RSA key of {LEAST_KEY_BITS} bits or more: {shown(path)}"
        )
    return b64encode(
        key.public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
    ).decode()
