"""Sessions with Snowflake: one role each, key pair, identity token or browser."""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import requests
import snowflake.connector
from cryptography.hazmat.primitives import serialization
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import DictCursor
from snowflake.connector.errors import DatabaseError, Error, ProgrammingError

from ingest.settings import SettingsError
from snowflake_setup.settings import CloudSettings, SignIn

# What Snowflake expects of a token that names no other audience.
# https://docs.snowflake.com/en/user-guide/workload-identity-federation
AUDIENCE = "snowflakecomputing.com"
LOGIN_SECONDS = 30
QUERY_TAG = "amplitude_warehouse"
DOES_NOT_EXIST = 2003

logging.getLogger("snowflake.connector").setLevel(logging.CRITICAL)


class SnowflakeError(Exception):
    """Snowflake refuses or cannot be reached; the message says why, on one line."""

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


class Session:
    """An open session under one role."""

    def __init__(self, connection: SnowflakeConnection) -> None:
        self._connection = connection

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Run a statement; its rows by lower-case column. Raises SnowflakeError."""
        try:
            with self._connection.cursor(DictCursor) as cursor:
                cursor.execute(sql)
                return [
                    {name.lower(): value for name, value in row.items()}
                    for row in cursor.fetchall()
                ]
        except Error as error:
            raise SnowflakeError(_one_line(error), error.errno) from error

    def shown(self, kind: str, name: str) -> dict[str, Any] | None:
        """The row of SHOW for an object of the account; None if it does not exist.

        Raises SnowflakeError.
        """
        # LIKE takes _ for any character.
        rows = self.rows(f"show {kind}s like '{name}'")
        return next((row for row in rows if row["name"].lower() == name), None)

    def pipe_status(self, pipe: str) -> dict[str, Any]:
        """What SYSTEM$PIPE_STATUS says of a pipe. Raises SnowflakeError."""
        [row] = self.rows(f"select system$pipe_status('{pipe}') as status")
        return json.loads(row["status"])


@contextmanager
def session(settings: CloudSettings, role: str) -> Iterator[Session]:
    """Sign in under a role. Raises SnowflakeError, or SettingsError before it tries."""
    settings.require("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER")
    parameters = connection_parameters(settings.sign_in) | {
        "role": role,
        "warehouse": settings.names.warehouse,
        "database": settings.names.raw_database,
    }
    try:
        connection = snowflake.connector.connect(**parameters)
    except DatabaseError as error:
        raise SnowflakeError(_one_line(error), error.errno) from error
    except (Error, OSError, ValueError) as error:
        raise SnowflakeError(_one_line(error)) from error
    try:
        yield Session(connection)
    finally:
        connection.close()


def connection_parameters(sign_in: SignIn) -> dict[str, Any]:
    """The connector's arguments without role and warehouse. Raises SettingsError."""
    parameters: dict[str, Any] = {
        "account": sign_in.account,
        "user": sign_in.user,
        "login_timeout": LOGIN_SECONDS,
        "network_timeout": 120,
        "client_session_keep_alive": False,
        "session_parameters": {"QUERY_TAG": QUERY_TAG, "TIMEZONE": "UTC"},
    }
    if sign_in.host:
        parameters |= {
            "host": sign_in.host,
            "port": sign_in.port,
            "protocol": sign_in.protocol,
        }
    if sign_in.authenticator == "workload_identity":
        parameters |= {
            "authenticator": "WORKLOAD_IDENTITY",
            "workload_identity_provider": "OIDC",
            "token": sign_in.token or github_token(),
        }
    elif sign_in.private_key or sign_in.private_key_path:
        parameters |= {
            "authenticator": "SNOWFLAKE_JWT",
            "private_key": _private_key(sign_in),
        }
    else:
        parameters |= {
            name: value
            for name in ("authenticator", "password")
            if (value := getattr(sign_in, name))
        }
    return parameters


def _private_key(sign_in: SignIn) -> bytes:
    """The key in the form that the connector takes. Raises SettingsError."""
    name = (
        "SNOWFLAKE_PRIVATE_KEY" if sign_in.private_key else "SNOWFLAKE_PRIVATE_KEY_PATH"
    )
    try:
        pem = sign_in.private_key.encode()
        if not pem:
            with open(sign_in.private_key_path, "rb") as file:  # noqa: PTH123
                pem = file.read()
        key = serialization.load_pem_private_key(
            pem, sign_in.private_key_passphrase.encode() or None
        )
    except OSError as error:
        raise SettingsError(
            f"{name} cannot be read: {sign_in.private_key_path}: {error.strerror}"
        ) from error
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"{name} is not a private key in PEM form, or"
            " SNOWFLAKE_PRIVATE_KEY_PASSPHRASE does not open it"
        ) from error
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def github_token() -> str:
    """A fresh identity token of this GitHub Actions job; it lasts some minutes.

    https://docs.github.com/actions/reference/security/oidc
    Raises SettingsError outside of such a job, SnowflakeError if GitHub gives none.
    """
    url = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")
    bearer = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not url or not bearer:
        raise SettingsError(
            "SNOWFLAKE_AUTHENTICATOR=workload_identity needs a GitHub Actions job with"
            " `id-token: write`, or SNOWFLAKE_TOKEN; elsewhere use a key pair or"
            " externalbrowser"
        )
    try:
        answer = requests.get(
            f"{url}&audience={quote(AUDIENCE)}",
            headers={"Authorization": f"Bearer {bearer}"},
            timeout=(10, 30),
        )
        answer.raise_for_status()
        return answer.json()["value"]
    except (requests.RequestException, ValueError, KeyError) as error:
        raise SnowflakeError(
            f"GitHub gives no identity token: {type(error).__name__}"
        ) from None


def quoted(values: Sequence[str]) -> str:
    """A list of SQL literals."""
    return ", ".join(
        "'" + value.replace("\\", "\\\\").replace("'", "''") + "'" for value in values
    )


def _one_line(error: BaseException) -> str:
    message = error.raw_msg if isinstance(error, ProgrammingError) else str(error)
    return " ".join(str(message or error).split())
