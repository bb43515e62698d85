"""What a check of the doctor works on, and its result."""

import json
import shlex
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from snowflake_setup.settings import CloudSettings

if TYPE_CHECKING:
    from snowflake_setup.session import Session
    from snowflake_setup.stack import Deployed

CLOUD_SETUP = "make cloud-setup"
# Runs the SQL again, also that which has run: what was dropped or revoked comes back.
AGAIN = "make cloud-setup AGAIN=1"
LOAD_MISSING = "make load-missing"


class CheckFailed(Exception):
    """A link is broken: what is wrong, and commands or sentences that fix it."""

    def __init__(self, message: str, *fixes: str) -> None:
        super().__init__(message)
        self.fixes = fixes


class CheckSkipped(Exception):
    """A link cannot be checked now; the message says why."""


@dataclass
class Context:
    """What is checked, and what the checks have found so far."""

    settings: CloudSettings
    open: ExitStack
    account: str = ""
    caller: str = ""
    deployed: "Deployed | None" = None
    integration: dict[str, str] = field(default_factory=dict)
    queue: str = ""
    sessions: "dict[str, Session]" = field(default_factory=dict)
    is_signed_out: bool = False
    clients: dict[str, Any] = field(default_factory=dict)

    def session(self, role: str) -> "Session":
        if role not in self.sessions:
            raise CheckSkipped(f"not signed in as {role}")
        return self.sessions[role]

    def client(self, service: str) -> Any:
        """A client of AWS, made once. Raises AwsError."""
        from snowflake_setup.stack import client

        if service not in self.clients:
            self.clients[service] = client(self.settings, service)
        return self.clients[service]

    @property
    def setup(self) -> "Session":
        return self.session(self.settings.names.setup_role)


@dataclass(frozen=True)
class Finding:
    """The result of a check; `is_well` is None if it was skipped."""

    link: str
    is_well: bool | None
    message: str
    fixes: tuple[str, ...] = ()

    def __str__(self) -> str:
        word = {True: "OK", False: "FAIL", None: "SKIP"}[self.is_well]
        lines = [f"{word:<4}  {self.link}: {' '.join(self.message.split())}"]
        return "\n      fix: ".join([*lines, *self.fixes])


def aws_fixes(error: Exception) -> tuple[str, ...]:
    said = str(error)
    if "Expired" in said or "expired" in said:
        return ("aws sso login",)
    if "TimeTooSkewed" in said or "not yet current" in said:
        return ("sudo timedatectl set-ntp true",)
    if "AccessDenied" in said or "not authorized" in said:
        return ("sign in to AWS as a user with the permission: AWS_PROFILE in .env",)
    return ("check AWS_PROFILE or the AWS keys, AWS_REGION, the network",)


def aws_command(service: str, action: str, **options: object) -> str:
    """A command of the AWS CLI, quoted for the shell."""
    words = ["aws", service, action]
    for name, value in options.items():
        text = value if isinstance(value, str) else json.dumps(value)
        words += [f"--{name.replace('_', '-')}", text]
    return shlex.join(words)
