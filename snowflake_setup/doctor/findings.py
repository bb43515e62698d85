"""What a check of the doctor works on, and what it comes to."""

import json
import shlex
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from snowflake_setup.session import Session
from snowflake_setup.settings import CloudSettings
from snowflake_setup.stack import Deployed, client

CLOUD_SETUP = "make cloud-setup"
# Runs the SQL again, also that which has run: what was dropped or revoked comes back.
AGAIN = "make cloud-setup AGAIN=1"
LOAD_MISSING = "make load-missing"


class Wrong(Exception):
    """A link does not hold: what is wrong, and what mends it, a command or a sentence
    each."""

    def __init__(self, message: str, *mends: str) -> None:
        super().__init__(message)
        self.mends = mends


class LeftOut(Exception):
    """A link cannot be looked at as things are; the message says why."""


@dataclass
class Patient:
    """What is looked at, and what the checks have found so far."""

    settings: CloudSettings
    open: ExitStack
    account: str = ""
    caller: str = ""
    deployed: Deployed | None = None
    integration: dict[str, str] = field(default_factory=dict)
    queue: str = ""
    sessions: dict[str, Session] = field(default_factory=dict)
    is_signed_out: bool = False
    clients: dict[str, Any] = field(default_factory=dict)

    def session(self, role: str) -> Session:
        if role not in self.sessions:
            raise LeftOut(f"there is no session as {role}")
        return self.sessions[role]

    def client(self, service: str) -> Any:
        """A client of AWS, made once. Raises AwsError."""
        if service not in self.clients:
            self.clients[service] = client(self.settings, service)
        return self.clients[service]

    @property
    def setup(self) -> Session:
        return self.session(self.settings.names.setup_role)


@dataclass(frozen=True)
class Finding:
    """What a check has come to; `is_well` is None if it was left out."""

    link: str
    is_well: bool | None
    message: str
    mends: tuple[str, ...] = ()

    def __str__(self) -> str:
        word = {True: "ok", False: "WRONG", None: "-"}[self.is_well]
        lines = [f"{word:<6} {self.link}: {' '.join(self.message.split())}"]
        return "\n       mend: ".join([*lines, *self.mends])


def aws_mends(error: Exception) -> tuple[str, ...]:
    said = str(error)
    if "Expired" in said or "expired" in said:
        return ("aws sso login",)
    if "TimeTooSkewed" in said or "not yet current" in said:
        return ("sudo timedatectl set-ntp true",)
    if "AccessDenied" in said or "not authorized" in said:
        return ("sign in to AWS as somebody who may: AWS_PROFILE in .env",)
    return ("check AWS_PROFILE or the AWS keys, AWS_REGION, the network",)


def aws_command(service: str, action: str, **options: object) -> str:
    """A command of the AWS CLI, quoted for the shell."""
    words = ["aws", service, action]
    for name, value in options.items():
        text = value if isinstance(value, str) else json.dumps(value)
        words += [f"--{name.replace('_', '-')}", text]
    return shlex.join(words)
