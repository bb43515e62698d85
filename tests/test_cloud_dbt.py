"""How dbt and the commands sign in to Snowflake, and what they say of a build."""

import gzip
import http.server
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from commands import snowflake_setup
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from dbt.adapters.snowflake.connections import SnowflakeCredentials
from dbt.config.runtime import load_profile
from dbt.flags import set_from_args
from dbt_common.context import set_invocation_context

from ingest.settings import SettingsError
from runner.summary import build_summary
from sandbox.snowflake import without_account
from snowflake_setup.deploy import variables
from snowflake_setup.session import connection_parameters
from snowflake_setup.settings import CloudSettings

DBT = Path(__file__).parents[1] / "dbt"
ACCOUNT = {"SNOWFLAKE_ACCOUNT": "org-account", "SNOWFLAKE_USER": "jane@example.com"}


@pytest.fixture(scope="module")
def key() -> str:
    """A private key, as PEM text."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return pem(made, private=True)


def credentials(target: str, **environment: str) -> SnowflakeCredentials:
    """What dbt makes of profiles.yml."""
    with patch.dict(
        os.environ,
        without_account() | {"DBT_PROFILES_DIR": str(DBT)} | ACCOUNT | environment,
        clear=True,
    ):
        set_from_args(Namespace(PROFILES_DIR=str(DBT)), None)
        set_invocation_context(os.environ)
        found = load_profile(str(DBT), {}, target_override=target).credentials
        assert isinstance(found, SnowflakeCredentials)
        return found


def test_production_signs_in_with_a_key(key):
    made = credentials("snowflake", SNOWFLAKE_PRIVATE_KEY=key)
    assert made.auth_args()["private_key"]
    assert "token" not in made.auth_args() and "password" not in made.auth_args()
    assert (made.role, made.warehouse, made.schema) == (
        "transformer",
        "transforming",
        "amplitude",
    )
    assert made.query_tag and made.reuse_connections


def test_production_signs_in_with_an_identity_token():
    made = credentials(
        "snowflake", SNOWFLAKE_AUTHENTICATOR="workload_identity", SNOWFLAKE_TOKEN="jwt"
    )
    told = made.auth_args()
    assert told["authenticator"].upper() == "WORKLOAD_IDENTITY"
    assert (told["workload_identity_provider"], told["token"]) == ("OIDC", "jwt")


def test_people_sign_in_in_the_browser_into_a_schema_of_their_own():
    made = credentials("snowflake_dev")
    assert made.auth_args()["authenticator"] == "externalbrowser"
    assert (made.warehouse, made.schema) == ("developing", "dbt_jane_example_com")


def test_a_pull_request_has_its_schema_on_the_small_warehouse(key):
    made = credentials("snowflake_ci", SNOWFLAKE_PRIVATE_KEY=key, DBT_SCHEMA="ci_pr_7")
    assert (made.warehouse, made.schema) == ("developing", "ci_pr_7")


@pytest.fixture
def github() -> Iterator[dict[str, str]]:
    """The address at which a GitHub Actions job gets its tokens."""
    asked: Any = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"value": f"token-{len(asked)}"}).encode())

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/t?v=1",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer",
        "asked": asked,
    }
    server.shutdown()
    server.server_close()


def with_token(
    environment: dict[str, str], *command: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with a token of the job."""
    return subprocess.run(
        [sys.executable, "-m", "runner.with_token", *command],
        env=without_account() | environment | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )


def test_each_command_gets_a_fresh_token(github):
    asked = github.pop("asked")
    print_token = ("-c", "import os; print(os.environ['SNOWFLAKE_TOKEN'])")
    for number in (1, 2):
        finished = with_token(github, sys.executable, *print_token)
        assert (finished.returncode, finished.stdout) == (0, f"token-{number}\n")
    given = {"SNOWFLAKE_TOKEN": "given"}
    assert with_token(given, sys.executable, *print_token).stdout == "given\n"
    path, authorization = asked[0]
    assert path.endswith("&audience=snowflakecomputing.com")
    assert authorization == "Bearer bearer"


def test_the_commands_sign_in_as_dbt_does(key, tmp_path):
    def told(**environment: str) -> dict:
        return connection_parameters(CloudSettings.read(ACCOUNT | environment).sign_in)

    assert told(SNOWFLAKE_PRIVATE_KEY=key)["authenticator"] == "SNOWFLAKE_JWT"
    file = tmp_path / "key.p8"
    file.write_text(key)
    assert told(SNOWFLAKE_PRIVATE_KEY_PATH=str(file))["private_key"]
    browser = told(SNOWFLAKE_AUTHENTICATOR="externalbrowser")
    assert browser["authenticator"] == "externalbrowser" and "password" not in browser
    token = told(SNOWFLAKE_AUTHENTICATOR="workload_identity", SNOWFLAKE_TOKEN="jwt")
    assert (token["workload_identity_provider"], token["token"]) == ("OIDC", "jwt")
    for wrong in (
        {"SNOWFLAKE_PRIVATE_KEY_PATH": "/no/such"},
        {"SNOWFLAKE_PRIVATE_KEY": "x"},
    ):
        with pytest.raises(SettingsError, match="SNOWFLAKE_PRIVATE_KEY"):
            told(**wrong)


DEPLOY_AND_HANG = """
import os
from snowflake_setup.deploy import deploy
from snowflake_setup.settings import CloudSettings
list(deploy(CloudSettings.read(os.environ), "load"))
"""


def test_a_deployment_that_is_killed_leaves_no_key_in_a_file(key, tmp_path):
    """schemachange signs in with the key to a server that never answers; then all is
    killed."""
    asked: queue.Queue[str] = queue.Queue()

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.put(gzip.decompress(body).decode())
            ended.wait(30)

        def log_message(self, *arguments):
            pass

    ended = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    process = subprocess.Popen(
        [sys.executable, "-c", DEPLOY_AND_HANG],
        cwd=DBT.parent,
        env=without_account()
        | ACCOUNT
        | {
            "SNOWFLAKE_PRIVATE_KEY": key,
            "SNOWFLAKE_HOST": "127.0.0.1",
            "SNOWFLAKE_PORT": str(server.server_port),
            "SNOWFLAKE_PROTOCOL": "http",
            "LANDING": str(tmp_path / "landing"),
            "TMPDIR": str(tmp_path),
            "HOME": str(tmp_path),
        },
        start_new_session=True,
    )
    try:
        sent = asked.get(timeout=60)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        ended.set()
        server.shutdown()
        server.server_close()
    assert json.loads(sent)["data"]["AUTHENTICATOR"] == "SNOWFLAKE_JWT"
    line = key.splitlines()[1]
    left = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not [file for file in left if line in file.read_text(errors="replace")]


def test_settings_do_not_show_secrets(key):
    settings = CloudSettings.read(
        ACCOUNT | {"SNOWFLAKE_PRIVATE_KEY": key, "SNOWFLAKE_PASSWORD": "pa55word"}
    )
    assert key not in repr(settings) and "pa55word" not in repr(settings)
    assert {key.strip(), "pa55word"} <= set(settings.secrets)


ROLES = (
    "SNOWFLAKE_SETUP_ROLE",
    "SNOWFLAKE_LOADER_ROLE",
    "SNOWFLAKE_ROLE",
    "SNOWFLAKE_READER_ROLE",
)
OF_SNOWFLAKE = (
    "ACCOUNTADMIN",
    "sysadmin",
    "SecurityAdmin",
    "useradmin",
    "orgadmin",
    "public",
    "globalorgadmin",
    '"ACCOUNTADMIN"',
)


@pytest.mark.parametrize(
    "name, value",
    [
        ("SNOWFLAKE_ROLE", "a b"),
        ("SNOWFLAKE_RAW_SCHEMA", "x; drop table y"),
        ("SNOWFLAKE_RAW_SCHEMA", "Information_Schema"),
        ("SNOWFLAKE_DATABASE", "snowflake"),
        ("SNOWFLAKE_RAW_DATABASE", "SNOWFLAKE_SAMPLE_DATA"),
        ("SNOWFLAKE_WAREHOUSE", "SYSTEM$STREAMLIT_NOTEBOOK_WH"),
        ("SNOWFLAKE_CI_USER", "snowflake"),
        ("SNOWFLAKE_WAREHOUSE_SIZE", "huge"),
        ("SNOWFLAKE_MONTHLY_CREDITS", "0"),
        ("SNOWFLAKE_MONTHLY_CREDITS", "1" * 5000),
        ("SNOWFLAKE_ACCOUNT", "https://org-account.snowflakecomputing.com"),
        ("GITHUB_SUBJECT", "repo:owner/*:ref:refs/heads/main"),
        ("GITHUB_SUBJECT", "owner/name"),
        ("GITHUB_SUBJECT", "repo:owner/name:ref:refs/heads/main\\"),
        ("SNOWFLAKE_AWS_ROLE_ARN", "arn:aws:iam::1:user/x"),
        ("LANDING", "s3://bucket/it's"),
        ("LANDING", "s3://bucket/all/*"),
        ("AWS_BUCKET", "a_bucket"),
        ("AWS_STACK", "a b"),
        ("LANDING_ARCHIVE_DAYS", "7"),
        ("LANDING_KMS_KEY_ARN", "arn:aws:kms:us-east-1:123456789012:alias/landing"),
        ("SNOWFLAKE_CI_PUBLIC_KEY_PATH", "/no/such/key.pub"),
        *((role, name) for role in ROLES for name in OF_SNOWFLAKE),
    ],
)
def test_a_malformed_setting_is_named(name, value):
    with pytest.raises(SettingsError, match=f"^{name} "):
        CloudSettings.read(ACCOUNT | {name: value})


HOSTILE = ("x'; create role thief; --", 'x"; create role thief; --', "x\\", "x\n;y")
LISTED = re.findall(
    r"^#? ?([A-Z_]+)=", (DBT.parent / ".env.example").read_text(), re.MULTILINE
)
IN_NO_SQL = {
    "AWS_REGION",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "SNOWFLAKE_AUTHENTICATOR",
    "SNOWFLAKE_TOKEN",
    "SNOWFLAKE_PRIVATE_KEY",
    "SNOWFLAKE_PRIVATE_KEY_PATH",
    "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
}


def test_no_setting_carries_a_statement_into_the_sql():
    """Of every setting in .env.example: it is refused, or it is in no SQL."""
    plain = variables(CloudSettings.read(ACCOUNT), "")
    ours = [
        n for n in LISTED if n.startswith(("SNOWFLAKE", "GITHUB", "AWS", "LANDING"))
    ]
    assert len(ours) > 30
    passed = set()
    for name in ours:
        for value in HOSTILE:
            try:
                settings = CloudSettings.read(ACCOUNT | {name: value})
            except SettingsError as error:
                said = str(error)
                assert said.startswith(f"{name} ") and "\n" not in said
            else:
                passed.add(name)
                assert variables(settings, "") == plain, name
    assert passed == IN_NO_SQL


def test_a_statement_in_a_setting_ends_the_command():
    finished = snowflake_setup(
        without_account() | ACCOUNT | {"SNOWFLAKE_READER_ROLE": HOSTILE[0]}, "deploy"
    )
    assert finished.returncode == 2 and not finished.stdout
    assert finished.stderr == (
        "snowflake_setup: SNOWFLAKE_READER_ROLE is x'; create role thief; --: it must"
        " be a name of letters, digits, _ and $, not quoted, such as amplitude_reader\n"
    )


def test_the_workflows_user_is_not_the_one_that_deploys():
    user = {"SNOWFLAKE_USER": "Amplitude_CI", "LANDING": "landing"}
    finished = snowflake_setup(without_account() | ACCOUNT | user, "deploy")
    assert finished.returncode == 2 and "SNOWFLAKE_CI_USER is" in finished.stderr


def pem(made: Any, *, private: bool = False) -> str:
    if private:
        return made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
    return (
        made.public_key()
        .public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        .decode()
    )


def test_a_public_key_is_written_anew(key, tmp_path):
    """Whatever stands around it in the file, only the key gets into the SQL."""
    made = serialization.load_pem_private_key(key.encode(), None)
    file = tmp_path / "key.pub"

    def read(text: str) -> str:
        file.write_text(text)
        given = ACCOUNT | {"SNOWFLAKE_CI_PUBLIC_KEY_PATH": str(file)}
        return CloudSettings.read(given).ci_public_key

    text = pem(made)
    body = "".join(text.splitlines()[1:-1])
    assert read(text) == body
    assert read(text.replace("\n", "\r\n")) == body
    assert read(f"# made for CI\n{text}'; create role thief; --\n") == body
    lines = text.splitlines()
    for wrong in (
        "\n".join([lines[0], "'; create role thief; --", *lines[1:]]),
        "\n".join([lines[0], "'; create role thief; --", lines[-1]]),
        key,
        "",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
    ):
        with pytest.raises(SettingsError, match="SNOWFLAKE_CI_PUBLIC_KEY_PATH is not"):
            read(wrong)


MESSAGES: list[str] = []


class Chat(http.server.BaseHTTPRequestHandler):
    """A webhook that takes one message, and refuses all after it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(403 if MESSAGES else 200)
        self.end_headers()
        MESSAGES.append(json.loads(body)["text"])

    def log_message(self, *arguments: Any) -> None:
        """Print nothing."""


@pytest.fixture
def webhook() -> Iterator[str]:
    """The URL of a chat that has no message yet."""
    MESSAGES.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/secret"
    server.shutdown()
    server.server_close()


def run_summary(
    folder: Path, status: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """`python -m runner.summary` after a build with one result."""
    file = folder / "dbt/target/run_results.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    result = {"status": status, "unique_id": "test.b", "message": "Got 3 results"}
    file.write_text(json.dumps({"results": [result], "elapsed_time": 1}))
    return subprocess.run(
        [sys.executable, "-m", "runner.summary"],
        cwd=folder,
        env=os.environ | ACCOUNT | {"PYTHONPATH": str(DBT.parent)} | settings,
        capture_output=True,
        text=True,
    )


def test_only_failed_runs_go_to_the_webhook(tmp_path, webhook):
    settings = {"WEBHOOK_URL": webhook, "RUN_URL": "https://github.example/runs/1"}
    well = {"LANDING_RESULT": "success", "MODEL_RESULT": "success"}
    assert run_summary(tmp_path, "success", **settings, **well).returncode == 0
    assert run_summary(tmp_path, "warn", **settings, **well).returncode == 0
    assert MESSAGES == []
    settings["MODEL_RESULT"] = "failure"
    assert run_summary(tmp_path, "fail", **settings).returncode == 0
    (message,) = MESSAGES
    assert message.splitlines() == [
        "### dbt",
        "1 nodes in 1 s: 1 fail",
        "- **fail** `test.b`: Got 3 results",
        "- **failure** the job Model: the step that failed says why in its log.",
        "https://github.example/runs/1",
    ]
    # As with a load that is not complete, or a source that is not fresh.
    assert run_summary(tmp_path, "success", **settings).returncode == 1
    assert "the job Model" in MESSAGES[1]
    settings = well | settings | {"LANDING_RESULT": "failure", "MODEL_RESULT": ""}
    refused = run_summary(tmp_path, "success", **settings)
    assert "some hours are missing" in MESSAGES[2]
    assert refused.returncode == 1
    assert refused.stderr == "the webhook rejected the message: HTTP 403\n"


def test_the_summary_names_what_failed(tmp_path):
    results = [
        {"status": "success", "unique_id": "model.a", "message": "ok"},
        {"status": "fail", "unique_id": "test.b", "message": "Got 3 results"},
        {"status": "error", "unique_id": "model.c", "message": "Database\n  Error"},
    ]
    file = tmp_path / "run_results.json"
    file.write_text(json.dumps({"results": results, "elapsed_time": 61.2}))
    assert list(build_summary(file)) == [
        "### dbt",
        "",
        "3 nodes in 61 s: 1 error, 1 fail, 1 success",
        "",
        "- **fail** `test.b`: Got 3 results",
        "- **error** `model.c`: Database Error",
    ]
