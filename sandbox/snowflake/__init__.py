"""A Snowflake emulator for the laptop and CI: fakesnow behind the real connector.

    python -m sandbox.snowflake [--landing [DIR]] [--port N] [-- COMMAND…]

Starts it in memory, deploys snowflake_setup/, loads the landing through the pipes and
runs COMMAND with SNOWFLAKE_* set; without COMMAND it serves until Ctrl-C. What runs
here is Snowflake's SQL and protocol on DuckDB: not Snowflake.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import fakesnow.server
import snowflake.connector
import uvicorn
from fakesnow.instance import FakeSnow
from starlette.applications import Starlette

from sandbox.run import run as run_command
from sandbox.run import split_command
from sandbox.snowflake import (  # noqa: F401 (they change fakesnow)
    account,
    expressions,
    results,
    scripting,
    server,
)
from sandbox.snowflake.copy import loaded_names
from snowflake_setup.loads import PIPES

warnings.filterwarnings("ignore", message="Arrow output on a DB-API")

SETUP = Path(__file__).parents[2] / "snowflake_setup"


class EmulatorError(Exception):
    """An expected failure, told in one sentence."""


@contextmanager
def emulator(landing: Path | None = None, port: int = 0) -> Iterator[dict[str, str]]:
    """Serve a fresh, empty emulator and yield the variables that lead to it.

    With `landing`, a folder as ingest writes it, snowflake_setup/ is deployed and every
    file loaded. One emulator at a time: fakesnow keeps its state in module variables.

    Raises EmulatorError if the port is taken, the landing is none, or a file fails.
    """
    if landing and not landing.is_dir():
        raise EmulatorError(f"No landing at {landing}: the folder does not exist.")
    with serve(port) as bound_port:
        variables = {
            "SNOWFLAKE_ACCOUNT": "emulator",
            "SNOWFLAKE_USER": "emulator",
            "SNOWFLAKE_PASSWORD": "emulator",
            "SNOWFLAKE_ROLE": "transformer",
            "SNOWFLAKE_WAREHOUSE": "transforming",
            "SNOWFLAKE_DATABASE": "analytics",
            "SNOWFLAKE_RAW_DATABASE": "raw",
            "SNOWFLAKE_HOST": "127.0.0.1",
            "SNOWFLAKE_PORT": str(bound_port),
            "SNOWFLAKE_PROTOCOL": "http",
            # Given, if only as empty, so that no .env fills in an account's.
            "SNOWFLAKE_RAW_SCHEMA": "amplitude",
            "SNOWFLAKE_AUTHENTICATOR": "",
            "SNOWFLAKE_PRIVATE_KEY": "",
            "SNOWFLAKE_PRIVATE_KEY_PATH": "",
            "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": "",
            "SNOWFLAKE_TOKEN": "",
        }
        if landing:
            deploy(variables, landing)
            load(variables)
        yield variables


@contextmanager
def serve(port: int = 0) -> Iterator[int]:
    """Serve fakesnow with an empty memory on a loopback port (0: any free one)."""
    fakesnow.server.shared_fs = FakeSnow(create_database_on_connect=False)
    fakesnow.server.sessions = server.Sessions()
    account.clear()
    loaded_names.clear()
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        message = f"Cannot listen on port {port}: {error.strerror}."
        raise EmulatorError(message) from None
    # An answer is sent in two parts: without this, the second one waits for the client
    # to acknowledge the first, 40 ms later. Connections inherit it from the listener.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    app = Starlette(routes=server.ROUTES)
    served = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=served.run, args=([listener],), daemon=True)
    thread.start()
    while not served.started:
        time.sleep(0.02)
    try:
        yield listener.getsockname()[1]
    finally:
        served.should_exit = True
        thread.join()
        listener.close()
        fakesnow.server.shared_fs.duck_conn.close()


def connect(variables: dict[str, str]) -> snowflake.connector.SnowflakeConnection:
    """A connection of the real connector to the emulator."""
    names = ("account", "user", "password", "role", "database", "host", "port")
    return snowflake.connector.connect(
        **{name: variables[f"SNOWFLAKE_{name.upper()}"] for name in names},
        protocol="http",
        session_parameters={"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
    )


def run(variables: dict[str, str], *statements: str) -> list[tuple]:
    """Run statements in a session of their own; the rows of the last."""
    with connect(variables) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


def without_account() -> dict[str, str]:
    """This process's environment, leading to no account."""
    return {k: v for k, v in os.environ.items() if not k.startswith("SNOWFLAKE_")}


def deploy(variables: dict[str, str], landing: Path) -> None:
    """Deploy snowflake_setup/ through its own command, the landing as its bucket."""
    finished = subprocess.run(
        [sys.executable, "-m", "snowflake_setup", "deploy"],
        cwd=SETUP.parent,
        env=without_account() | variables | {"LANDING": str(landing.resolve())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if finished.returncode:
        raise EmulatorError(f"Deploying {SETUP.name} failed:\n{finished.stdout}")


def load(variables: dict[str, str]) -> None:
    """Load every file of the landing that is not loaded yet, through the pipes."""
    raw = variables["SNOWFLAKE_RAW_DATABASE"]
    for pipe in PIPES.values():
        run(variables, f"alter pipe {raw}.amplitude.{pipe} refresh")
    history = run(
        variables,
        "select file_name, first_error_message, row_count"
        f" from {raw}.information_schema.load_history",
    )
    for name, error, _ in history:
        if error:
            raise EmulatorError(f"{name} did not load: {error}.")
    lines = sum(count for _, _, count in history)
    print(f"Loaded {lines} lines of {len(history)} files.", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve for the time of a command, or until Ctrl-C; return the exit code."""
    options, command = split_command(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.snowflake",
        usage="%(prog)s [options] [-- COMMAND ...]",
        description="Run a Snowflake emulator, with a landing loaded into it.",
    )
    parser.add_argument(
        "--landing",
        nargs="?",
        const=os.environ.get("LANDING") or "data/landing",
        help="folder to load through the pipes; the setting LANDING if none is named",
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    asked = parser.parse_args(options)
    try:
        if (asked.landing or "").startswith("s3://"):
            raise EmulatorError(
                f"The emulator loads a folder, not {asked.landing}:"
                " set LANDING to a copy of it."
            )
        landing = Path(asked.landing) if asked.landing else None
        with emulator(landing, asked.port) as variables:
            return run_command(variables, command, without_account())
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 1
