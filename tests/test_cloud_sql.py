"""The SQL of snowflake_setup/ and its template, read as Snowflake and AWS would.

The emulator enforces no grant and takes more than Snowflake does, so here every
statement is parsed by two parsers of Snowflake's SQL, and what it grants is compared
with a list of what each role is to have.
"""

import logging
import re
from collections import defaultdict
from pathlib import Path

import pytest
import sqlfluff
import sqlglot
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlglot import exp

from snowflake_setup.deploy import FOLDERS, variables
from snowflake_setup.settings import CloudSettings

SETUP = Path(__file__).parents[1] / "snowflake_setup"
FILES = sorted(file.relative_to(SETUP).as_posix() for file in SETUP.rglob("*.sql"))

SETTINGS = {
    "SNOWFLAKE_ACCOUNT": "account",
    "SNOWFLAKE_USER": "jane@example.com",
    "LANDING": "s3://bucket/prefix",
    "GITHUB_SUBJECT": "repo:owner@1/name@2:ref:refs/heads/main",
    "SNOWFLAKE_ERROR_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:errors",
    "SNOWFLAKE_ERROR_ROLE_ARN": "arn:aws:iam::000000000000:role/errors",
    "SNOWFLAKE_UNMASKED_ROLE": "privacy",
}
ROLE_ARN = "arn:aws:iam::000000000000:role/snowflake"

# Everything that the roles may do, but for owning what they make.
GRANTS = {
    "setup": {
        "create database on account",
        "create integration on account",
        "create role on account",
        "create user on account",
        "ownership on database raw",
        "select on table raw.schemachange.change_history",
        "insert on table raw.schemachange.change_history",
        "usage on schema raw.schemachange",
        "usage on warehouse transforming",
        "usage on warehouse developing",
        "role loader",
        "role transformer",
        "role reader",
        "role privacy",
    },
    "loader": {
        "usage on warehouse transforming",
        "usage on database raw",
        "usage on schema raw.amplitude",
        "select on table raw.amplitude.events",
        "insert on table raw.amplitude.events",
        "select on table raw.amplitude.ledger",
        "insert on table raw.amplitude.ledger",
        "usage on stage raw.amplitude.landing",
        "usage on file format raw.amplitude.ndjson",
        "usage on file format raw.amplitude.lines",
        "monitor on pipe raw.amplitude.event_lines_pipe",
        "operate on pipe raw.amplitude.event_lines_pipe",
        "monitor on pipe raw.amplitude.ledger_pipe",
        "operate on pipe raw.amplitude.ledger_pipe",
    },
    "transformer": {
        "usage on warehouse transforming",
        "usage on warehouse developing",
        "usage on database raw",
        "usage on schema raw.amplitude",
        "select on table raw.amplitude.events",
        "select on table raw.amplitude.ledger",
        "usage on database analytics",
        "create schema on database analytics",
        "usage on schema analytics.amplitude",
        "create table on schema analytics.amplitude",
        "create view on schema analytics.amplitude",
        "apply on masking policy raw.amplitude.personal_text",
        "apply on masking policy raw.amplitude.personal_number",
        "apply on masking policy raw.amplitude.personal_object",
    },
    "reader": {
        "usage on warehouse developing",
        "usage on database analytics",
        "usage on schema analytics.amplitude",
        "select on all tables in schema analytics.amplitude",
        "select on all views in schema analytics.amplitude",
        "select on future tables in schema analytics.amplitude",
        "select on future views in schema analytics.amplitude",
    },
    "privacy": {"role reader"},
    "sysadmin": {"role setup"},
    "user amplitude_ci": {"role loader", "role transformer"},
    'user "jane@example.com"': {"role setup"},
}

# What sqlglot keeps as text, because it knows no tree for it; sqlfluff knows all of it.
OPAQUE = re.compile(
    r"create (role|user|resource monitor|masking policy|pipe) "
    r"|create (storage|notification) integration "
    r"|create schema .* with managed access|alter |grant |drop pipe if exists "
)


def render(file: str, **changes: str) -> str:
    """A file as it is deployed; a variable that nobody sets is an error."""
    environment = Environment(loader=FileSystemLoader(SETUP), undefined=StrictUndefined)
    settings = CloudSettings.read(SETTINGS | changes)
    return environment.get_template(file).render(variables(settings, ROLE_ARN))


def statements(file: str, **changes: str) -> list[str]:
    text = re.sub(r"^\s*--.*$", "", render(file, **changes), flags=re.M)
    # No literal of these files holds a semicolon: see the test of that.
    return [" ".join(part.split()) for part in text.split(";") if part.strip()]


@pytest.fixture(autouse=True)
def silent_sqlglot():
    logging.getLogger("sqlglot").setLevel(logging.ERROR)


@pytest.mark.parametrize("file", FILES)
def test_both_parsers_take_it_as_snowflakes_sql(file, tmp_path):
    key = tmp_path / "key.pub"
    key.write_bytes(
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    sql = render(file, SNOWFLAKE_CI_PUBLIC_KEY_PATH=str(key))
    sqlfluff.parse(sql, dialect="snowflake")  # raises for what it cannot parse
    for statement in statements(file, SNOWFLAKE_CI_PUBLIC_KEY_PATH=str(key)):
        tree = sqlglot.parse_one(statement, read="snowflake")
        if isinstance(tree, exp.Command):
            assert OPAQUE.match(statement.lower()), statement
        if statement.startswith("create pipe"):
            copy = statement[statement.index(" as copy into") + 4 :]
            assert isinstance(sqlglot.parse_one(copy, read="snowflake"), exp.Copy)


def test_the_parsers_would_notice():
    with pytest.raises(sqlfluff.api.APIParsingError):
        sqlfluff.parse("create pipe if not exist p as copy into t", dialect="snowflake")
    wrong = sqlglot.parse_one("create stage if exists not s", read="snowflake")
    assert isinstance(wrong, exp.Command) and not OPAQUE.match(wrong.sql().lower())
    with pytest.raises(sqlglot.errors.ParseError):
        sqlglot.parse_one("copy into t from (select 1", read="snowflake")


@pytest.mark.parametrize("file", FILES)
def test_it_says_what_it_makes_and_may_run_again(file):
    text = (SETUP / file).read_text()
    header = re.match(r"(--.*\n)+", text)[0]
    assert "Safe to run again" in header
    for statement in statements(file):
        head = statement.lower()
        assert " or replace " not in head
        # A pipe can be dropped: raw keeps what it has loaded.
        assert re.match(r"create |alter |grant |select |drop pipe if exists ", head), (
            head
        )
        if head.startswith("create "):
            assert " if not exists " in head, head
        assert ";" not in "".join(re.findall(r"'[^']*'", statement))


def test_no_name_comes_twice():
    names = [Path(file).name for file in FILES]
    versions = [name.split("__")[0] for name in names if name.startswith("V")]
    assert len(set(names)) == len(names) and len(set(versions)) == len(versions)
    assert {file.partition("/")[0] for file in FILES} == set(FOLDERS)


def granted() -> dict[str, set[str]]:
    """All grants of all files, one privilege each, by who has it."""
    found = defaultdict(set)
    form = re.compile(
        r"grant (?P<what>.+?)(?: on (?P<where>.+?))? to (?:role (?P<role>\S+)|"
        r"(?P<user>user \S+))(?: with grant option| copy current grants)?",
        re.I,
    )
    for file in FILES:
        for statement in statements(file):
            if statement.lower().startswith("grant "):
                grant = form.fullmatch(statement)
                assert grant, statement
                for what in grant["what"].split(", "):
                    where = f" on {grant['where']}" if grant["where"] else ""
                    found[grant["role"] or grant["user"]].add(what + where)
    return found


def test_each_role_may_do_what_it_needs_and_no_more():
    assert granted() == GRANTS


def test_nothing_is_granted_to_everybody_or_in_whole():
    for role, rights in granted().items():
        assert role.lower() not in ("public", "accountadmin", "securityadmin")
        assert not [right for right in rights if right.startswith("all ")]
        assert not [right for right in rights if "manage grants" in right]


def test_only_the_account_folder_is_run_as_accountadmin():
    for file in FILES:
        sql = " ".join(statements(file)).lower()
        assert "accountadmin" not in sql and "use role" not in sql
        if not file.startswith("account/"):
            assert "resource monitor" not in sql and "warehouse_size" not in sql


def test_the_ci_user_has_no_password_and_one_role_at_a_time():
    [create] = [s for s in statements("access/R__ci_user.sql") if "create user" in s]
    assert "type = service" in create and "default_secondary_roles = ()" in create
    assert "password" not in create


def test_a_failed_statement_of_the_ci_user_undoes_its_transaction():
    """dbt sends no rollback."""
    found = [s for s in statements("access/R__ci_user.sql") if "transaction" in s]
    assert found == ["alter user amplitude_ci set transaction_abort_on_error = true"]


def test_names_come_from_settings():
    changes = {
        "SNOWFLAKE_RAW_DATABASE": "other_raw",
        "SNOWFLAKE_RAW_SCHEMA": "other_schema",
        "SNOWFLAKE_DATABASE": "other_database",
        "SNOWFLAKE_MARTS_SCHEMA": "other_marts",
        "SNOWFLAKE_SETUP_ROLE": "other_setup",
        "SNOWFLAKE_LOADER_ROLE": "other_loader",
        "SNOWFLAKE_ROLE": "other_transformer",
        "SNOWFLAKE_READER_ROLE": "other_reader",
        "SNOWFLAKE_WAREHOUSE": "other_warehouse",
        "SNOWFLAKE_DEV_WAREHOUSE": "other_dev",
        "SNOWFLAKE_CI_USER": "other_ci",
        "SNOWFLAKE_STORAGE_INTEGRATION": "other_integration",
        "SNOWFLAKE_RESOURCE_MONITOR": "other_monitor",
        "SNOWFLAKE_ERROR_INTEGRATION": "other_errors",
        "SNOWFLAKE_WAREHOUSE_SIZE": "medium",
        "SNOWFLAKE_MONTHLY_CREDITS": "7",
    }
    sql = " ".join(s for file in FILES for s in statements(file, **changes))
    for value in changes.values():
        assert value in sql, value
    plain = re.sub(r"'[^']*'", "", sql)
    for name in ("raw", "analytics", "setup", "loader", "transformer", "transforming"):
        assert not re.search(rf"(?<![\w$]){name}(?![\w$])", plain), name


def test_without_a_topic_there_is_no_error_notification():
    changes = {"SNOWFLAKE_ERROR_TOPIC_ARN": "", "SNOWFLAKE_ERROR_ROLE_ARN": ""}
    [only] = statements("load/R__error_notification.sql", **changes)
    assert only.startswith("select ")


def test_without_a_role_that_sees_personal_data_nothing_is_masked():
    changes = {"SNOWFLAKE_UNMASKED_ROLE": ""}
    [only] = statements("load/R__masking_policies.sql", **changes)
    assert only.startswith("select ")


# --- The template ---------------------------------------------------------------------


class Template(yaml.SafeLoader):
    """Reads CloudFormation's tags as what they hold."""


Template.add_multi_constructor(
    "!",
    lambda loader, tag, node: {
        tag: getattr(
            loader,
            f"construct_{node.id}",
        )(node)
        if node.id == "scalar"
        else loader.construct_sequence(node, deep=True)
    },
)


@pytest.fixture(scope="module")
def template() -> dict:
    return yaml.load((SETUP / "aws" / "landing.yml").read_text(), Template)


def test_the_bucket_outlives_the_stack_and_keeps_its_ledger(template):
    bucket = template["Resources"]["Bucket"]
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    assert bucket["UpdateReplacePolicy"] == "Retain"
    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rules[0]["NoncurrentVersionExpiration"]
    assert rules[0]["ExpiredObjectDeleteMarker"] is True
    assert "ExpirationInDays" not in rules[0]
    for rule in rules[1:]:
        [condition, made, _] = rule["If"]
        assert condition in ("ArchivesObjects", "ExpiresObjects")
        assert made["Prefix"] == {"Sub": "${LandingPrefix}events/"}


def test_a_key_of_the_settings_encrypts_the_bucket(template):
    properties = template["Resources"]["Bucket"]["Properties"]
    [rule] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    condition, with_key, without = rule["If"]
    assert condition == "HasKmsKey" and with_key["BucketKeyEnabled"] is True
    assert with_key["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Ref": "KmsKeyArn"},
    }
    assert without["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_no_policy_allows_a_wildcard_action_or_resource(template):
    seen = 0
    for resource in template["Resources"].values():
        for policy in resource.get("Properties", {}).get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                seen += 1
                # Those for a key are conditional.
                if "If" in statement:
                    _, statement, _ = statement["If"]
                actions = statement["Action"]
                for action in [actions] if isinstance(actions, str) else actions:
                    assert "*" not in action
                assert statement["Resource"] != "*"
    assert seen == 8


def test_no_parameter_takes_what_could_widen_a_policy(template):
    """A wildcard, a quote or a substitution in a name would be part of a policy."""
    texts = {
        name: parameter["AllowedPattern"]
        for name, parameter in template["Parameters"].items()
        if parameter["Type"] != "Number"
    }
    for name, pattern in texts.items():
        for hostile in (
            "*",
            "a*/",
            "repo:a/*:x",
            "a'b",
            'a"b',
            "${AWS::Region}",
            "a?/",
        ):
            assert not re.fullmatch(pattern, hostile), (name, hostile)
