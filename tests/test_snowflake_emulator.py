"""The Snowflake emulator and the SQL of snowflake_setup/, through the front door."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from textwrap import dedent

import pytest
from commands import snowflake_setup
from snowflake.connector.errors import ProgrammingError

from sandbox.snowflake import connect, deploy, emulator, run, without_account

pytestmark = pytest.mark.xdist_group("emulator")

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API")

ROOT = Path(__file__).parents[1]
SETUP = ROOT / "snowflake_setup"

# Lines that strict or careless readers refuse or change. Written as bytes: an encoder
# would repair what is broken on purpose.
HARD_LINES = {
    "lone high surrogate": rb'{"k": "a\ud83d!"}',
    "lone low surrogate": rb'{"k": "\uDE00"}',
    "surrogate pair": rb'{"k": "\ud83d\ude00"}',
    "escaped backslash before ud83d": rb'{"k": "\\ud83d"}',
    "invalid byte": b'{"k": "\xff"}',
    "integer beyond 64 bits": b'{"k": 123456789012345678901234567890}',
    "float beyond double": b'{"k": 1e400}',
    "line separator": '{"k": "a\u2028b"}'.encode(),
    "repeated key": b'{"k": 1, "K": 2, "k": 3}',
    "several megabytes": b'{"k": "' + b"x" * 5_000_000 + b'"}',
    "nul character": rb'{"k": "a\u0000b"}',
    "delimiters, quotes and escapes": rb'{"k": "a,b;\t|\"c\" \\N"}',
    "spaces around it": b'  {"k": 1}\t ',
    "not JSON": b'{"k": ',
    "not a number": b'{"k": NaN}',
}
# As Snowflake's file format for new lines is documented, CR LF ends a line, too.
CRLF_LINE = b'{"k": 1}\r'


def land(landing: Path, folder: str, name: str, content: bytes) -> Path:
    """Put a file into the landing as ingest does."""
    file = landing / folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hours of the sample export, an hour of hard rows as plain JSON, a ledger."""
    landing = tmp_path_factory.mktemp("landing")
    exported = sorted((ROOT / "sandbox" / "export" / "100500123").rglob("*.json.gz"))
    for hour, file in enumerate(exported[:2]):
        content = file.read_bytes()
        name = f"0-{hashlib.sha256(content).hexdigest()[:16]}.json.gz"
        land(landing, f"events/100500123/2026-01-12/{hour:02}", name, content)
    hard = b"\n".join([*HARD_LINES.values(), CRLF_LINE]) + b"\n"
    land(landing, "events/7/2026-01-12/05", "0-00000000000000aa.json", hard)
    ledger = b'{"status": "landed", "event_count": 2}\n{"status": "empty"}\n'
    land(landing, "ledger/100500123/2026-01-12", "run1.json", ledger)
    return landing


@pytest.fixture(scope="module")
def variables(landing: Path) -> Iterator[dict[str, str]]:
    with emulator(landing) as variables:
        yield variables


def landed_lines(landing: Path) -> list[tuple]:
    """Name, line number, checksum of every landed event line."""
    lines = []
    for file in sorted(landing.glob("events/**/*.json*")):
        stored = file.read_bytes()
        content = gzip.decompress(stored) if file.suffix == ".gz" else stored
        checksum, name = hashlib.md5(stored).hexdigest(), str(file.relative_to(landing))
        lines += [(name, n, checksum) for n in range(1, content.count(b"\n") + 1)]
    return lines


LINEAGE = (
    "select filename, file_row_number, file_content_key from raw.amplitude.events"
    " order by 1, 2"
)


def test_every_line_is_loaded_once_with_its_lineage(variables, landing):
    assert run(variables, LINEAGE) == landed_lines(landing)
    first, last, now = run(
        variables,
        "select min(file_last_modified), max(loaded_at),"
        " convert_timezone('UTC', current_timestamp())::timestamp_ntz"
        " from raw.amplitude.events",
    )[0]
    assert isinstance(first, datetime) and first <= last <= now
    ledger = run(
        variables, "select filename, file_row_number from raw.amplitude.ledger"
    )
    assert ledger == [("ledger/100500123/2026-01-12/run1.json", n) for n in (1, 2)]


def test_a_refresh_loads_new_files_only(variables, landing):
    run(variables, "alter pipe raw.amplitude.event_lines_pipe refresh")
    assert run(variables, LINEAGE) == landed_lines(landing)
    late = land(
        landing, "events/7/2026-01-12/06", "0-00000000000000bb.json", b'{"k": 1}\n'
    )
    try:
        run(variables, "alter pipe raw.amplitude.event_lines_pipe refresh")
        assert run(variables, LINEAGE) == landed_lines(landing)
    finally:
        late.unlink()
        run(
            variables, "delete from raw.amplitude.events where filename like '%bb.json'"
        )


def test_a_broken_file_is_not_half_loaded(variables, landing):
    cut = gzip.compress(b'{"k": 1}\n' * 1000)[:-10]
    file = land(landing, "events/7/2026-01-12/07", "1-00000000000000cc.json.gz", cut)
    run(variables, "alter pipe raw.amplitude.event_lines_pipe refresh")
    file.unlink()
    assert run(variables, LINEAGE) == landed_lines(landing)
    [(error,)] = run(
        variables,
        "select first_error_message from raw.information_schema.load_history"
        " where status = 'LOAD_FAILED'",
    )
    assert error.startswith("Error reading gzip")


def test_no_line_is_refused_or_changed(variables):
    """Whatever it holds; dbt parses it: tests/models/test_loading.py."""
    found = run(
        variables,
        "select raw_line from raw.amplitude.events where filename like '%aa.json'"
        " order by file_row_number",
    )
    lines = [*HARD_LINES.values(), CRLF_LINE.rstrip()]
    assert found == [(line.decode(errors="replace"),) for line in lines]


def test_deploying_twice_changes_nothing(variables, landing):
    state = [
        "select * from raw.schemachange.change_history order by installed_on",
        "select * from raw.information_schema.columns order by table_name, column_name",
        "show pipes",
        LINEAGE,
    ]
    before = [run(variables, statement) for statement in state]
    deploy(variables, landing)
    assert [run(variables, statement) for statement in state] == before
    assert len(before[0]) == len(list(SETUP.rglob("*.sql")))


def test_every_setup_file_may_run_again(variables, landing):
    """As if none had ever run: the same statements, on what they made."""
    before = run(variables, LINEAGE)
    environment = without_account() | variables | {"LANDING": str(landing)}
    finished = snowflake_setup(environment, "deploy", "--again")
    ran = [line for line in finished.stdout.splitlines() if line.startswith("ran ")]
    assert len(ran) == len(list(SETUP.rglob("*.sql"))), finished.stdout
    run(variables, "alter pipe raw.amplitude.event_lines_pipe refresh")
    assert run(variables, LINEAGE) == before


def test_pipes_and_integration_show_what_aws_needs(variables):
    pipes = run(variables, "show pipes")
    assert {pipe[0] for pipe in pipes} == {"EVENT_LINES_PIPE", "LEDGER_PIPE"}
    assert all(pipe[4].startswith("arn:aws:sqs:") for pipe in pipes)
    run(
        variables,
        "create storage integration if not exists some_bucket type = external_stage"
        " storage_provider = 'S3' enabled = true storage_aws_role_arn = 'arn:1'",
        "alter storage integration some_bucket set storage_aws_role_arn = 'arn:2'",
    )
    described = {
        row[0]: row[2] for row in run(variables, "desc integration some_bucket")
    }
    assert described["STORAGE_AWS_ROLE_ARN"] == "arn:2"
    assert described["STORAGE_AWS_IAM_USER_ARN"].startswith("arn:aws:iam::")
    assert described["STORAGE_AWS_EXTERNAL_ID"]
    with pytest.raises(ProgrammingError, match="does not exist"):
        run(variables, "desc integration another")


def test_a_table_of_another_database_is_described(variables):
    """dbt asks so for the columns of a source."""
    described = run(variables, "describe table raw.amplitude.events")
    assert [row[0] for row in described] == [
        "RAW_JSON",
        "FILENAME",
        "FILE_ROW_NUMBER",
        "FILE_CONTENT_KEY",
        "FILE_LAST_MODIFIED",
        "LOADED_AT",
        "RAW_LINE",
    ]


EVENT = {
    "uuid": "u-1",
    "session_id": 1769425385123,
    "event_time": "2026-01-26 11:03:05.123000",
    "$insert_id": "i-1",
    "city": None,
    "paying": True,
    "amount": 9.5,
    "K": 1,
    "k": 2,
    "event_properties": {
        "[Amplitude] Page URL": "/home",
        "$revenue": 9.5,
        "on": [1, "x"],
    },
}
TIME = datetime(2026, 1, 26, 11, 3, 5, 123000)


@pytest.fixture(scope="module")
def event(variables):
    """Answers expressions over one event, the column `event`."""
    with connect(variables) as connection, connection.cursor() as cursor:
        text = json.dumps(EVENT).replace("'", "''")
        cursor.execute("create schema if not exists analytics.expressions")
        cursor.execute(
            "create table analytics.expressions.events as"
            f" select parse_json('{text}') as event"
        )

        def answer(expression: str):
            cursor.execute(f"select {expression} from analytics.expressions.events")
            return cursor.fetchone()[0]

        yield answer


@pytest.mark.parametrize(
    "expression, expected",
    [
        # a path into JSON, cast to text: bare, null of a JSON null and of no key
        ("event['uuid']::varchar", "u-1"),
        ("event['session_id']::varchar", "1769425385123"),
        ("event['paying']::varchar", "true"),
        ("event['amount']::varchar", "9.5"),
        ("event['city']::varchar", None),
        ("event['absent']::varchar", None),
        ("event['K']::varchar || event['k']::varchar", "12"),
        ("event['$insert_id']::varchar", "i-1"),
        ("event['event_properties']['[Amplitude] Page URL']::varchar", "/home"),
        ("event['event_properties']['$revenue']::float", 9.5),
        ("event['event_properties']['on']::varchar", '[1,"x"]'),
        ("event['event_properties']['on'][1]::varchar", "x"),
        ('event:event_properties."[Amplitude] Page URL"::varchar', "/home"),
        ("to_varchar(event['uuid'])", "u-1"),
        # the same of a variant that is a column
        ("(select max(e) from (select event['uuid']::varchar as e))", "u-1"),
        ("strip_null_value(event['uuid'])::varchar", "u-1"),
        ("as_varchar(event['uuid'])", "u-1"),
        ("as_varchar(event['session_id'])", None),
        ("as_object(event)['uuid']::varchar", "u-1"),
        ("as_object(event['uuid'])", None),
        # kinds of JSON
        ("typeof(event['uuid'])", "VARCHAR"),
        ("typeof(event['session_id'])", "INTEGER"),
        ("typeof(event['amount'])", "DECIMAL"),
        ("typeof(event['paying'])", "BOOLEAN"),
        ("typeof(event['event_properties'])", "OBJECT"),
        ("typeof(event['event_properties']['on'])", "ARRAY"),
        ("typeof(event['city'])", "NULL_VALUE"),
        ("typeof(event['absent'])", None),
        ("event['city'] is null", False),
        ("strip_null_value(event['city']) is null", True),
        ("is_null_value(event['city'])", True),
        ("is_null_value(event['uuid'])", False),
        ("is_null_value(event['absent'])", None),
        ("array_size(object_keys(event['event_properties']))", 3),
        ("array_size(object_keys(event['uuid']))", None),
        (
            "array_to_string(array_sort(array_except("
            "object_keys(parse_json('{\"b\": 1, \"a\": null, \"c\": 2}')),"
            " array_construct('c', 'd'))), ',')",
            "a,b",
        ),
        # a cast that fails is null
        ("try_cast(event['session_id']::varchar as bigint)", 1769425385123),
        ("try_cast(event['uuid']::varchar as bigint)", None),
        ("try_cast(event['amount']::varchar as double)", 9.5),
        ("try_cast(event['paying']::varchar as boolean)", True),
        ("try_cast(event['event_time']::varchar as timestamp)", TIME),
        ("try_cast(event['uuid']::varchar as timestamp)", None),
        ("try_cast(event['city']::varchar as timestamp)", None),
        ("try_cast('2026-01-26T11:03:05.123Z' as timestamp)", TIME),
        ("try_cast('2026-01-26T11:03:05.123+05:00' as timestamp)", TIME),
        ("try_cast('1769425385123' as timestamp)", TIME),
        # words of both engines
        ("datediff('microsecond', '2026-01-01'::date, '2026-01-02'::date)", 864e8),
        ("split_part('events/7/2026-01-12/05/0-a.json', '/', -3)", "2026-01-12"),
        ("regexp_replace('/user/12/edit', '/[0-9]+', '/n')", "/user/n/edit"),
        ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        ("'$insert_id'", "$insert_id"),
        ("'2026-01-28'::date - 3", datetime(2026, 1, 25).date()),
        ("least(1, null)", None),
    ],
)  # fmt: skip
def test_expression_answers_as_snowflake_does(event, expression, expected):
    assert event(expression) == expected


@pytest.mark.parametrize(
    "expression, expected",
    [
        ("median(x)", 2),
        ("sum(x)::varchar", "7"),
        ("count_if(x > 1)", 2),
        ("min_by(y, x)", "a"),
        ("max_by(y, x)", "c"),
        ("listagg(y, ',') within group (order by x desc)", "c,b,a"),
        ("max(null::timestamp)", None),
    ],
)
def test_aggregate_answers_as_snowflake_does(variables, expression, expected):
    values = "(values (1, 'a'), (2, 'b'), (4, 'c')) as t (x, y)"
    assert run(variables, f"select {expression} from {values}") == [(expected,)]


def test_qualify_keeps_the_first_row(variables):
    query = """
        select x from (values (1, 'a'), (2, 'a'), (3, 'b')) as t (x, y)
        qualify row_number() over (partition by y order by x) = 1 order by x"""
    assert run(variables, query) == [(1,), (3,)]


def test_flatten_takes_any_key_and_refuses_outer(variables, event):
    flattened = """
        select key, value::varchar from analytics.expressions.events,
        lateral flatten(input => event['event_properties']{}) order by key"""
    assert run(variables, flattened.format(""))[0] == ("$revenue", "9.5")
    with pytest.raises(ProgrammingError, match="FLATTEN"):
        run(variables, flattened.format(", outer => true"))


def test_merge_with_two_source_rows_for_one_fails(variables):
    with pytest.raises(ProgrammingError, match="Duplicate row"):
        run(
            variables,
            "create schema if not exists analytics.merging",
            "create table analytics.merging.target as select 1 as id, 1 as x",
            "merge into analytics.merging.target using"
            " (select 1 as id, 2 as x union all select 1, 3) as source"
            " on target.id = source.id when matched then update set x = source.x",
        )


def test_wrong_statements_fail_at_once(variables):
    for statement in ("select no_such_function(1)", "selec 1", "select hash('a')"):
        with pytest.raises(ProgrammingError):
            run(variables, statement)


COUNT_SLOWLY = """
insert into analytics.waiting.counted
with recursive numbers as (
    select 1 as number union all select number + 1 from numbers where number < 80000
)
select count(*) from numbers
"""


def test_a_statement_that_is_sent_again_runs_once(variables):
    """A connector that has no answer within its time-out sends its request again."""
    with connect(variables) as connection, connection.cursor() as cursor:
        cursor.execute("create schema if not exists analytics.waiting")
        cursor.execute("create table analytics.waiting.counted (rows_counted int)")
        connection._socket_timeout = 1
        cursor.execute(COUNT_SLOWLY)
        cursor.execute("select rows_counted from analytics.waiting.counted")
        assert cursor.fetchall() == [(80000,)]


# --- Transactions and Snowflake Scripting ---------------------------------------------


@pytest.fixture
def session(variables):
    """A session with an empty table t of numbers."""
    with connect(variables) as connection, connection.cursor() as cursor:
        cursor.execute("create schema if not exists analytics.transactions")
        cursor.execute("use schema analytics.transactions")
        cursor.execute("create or replace table t (n integer)")
        yield cursor


def committed(variables) -> list[int]:
    """The numbers in t that another session sees."""
    return [
        n
        for (n,) in run(variables, "select n from analytics.transactions.t order by n")
    ]


INSERT, FAILING = "insert into t values ({})", "insert into t select 'text'::integer"


@pytest.mark.parametrize(
    "ddl", ["create table u (n integer)", "alter user if exists x set comment = 'a'"]
)
def test_a_ddl_statement_commits_the_open_transaction(session, variables, ddl):
    session.execute("create or replace table u (n integer)")
    session.execute("drop table u")
    run(variables, "create user if not exists x")
    session.execute("begin")
    session.execute(INSERT.format(1))
    assert committed(variables) == []
    session.execute(ddl)
    assert committed(variables) == [1]
    session.execute("rollback")
    session.execute(INSERT.format(2))
    assert committed(variables) == [1, 2]


def test_a_ddl_statement_that_fails_has_committed_too(session, variables):
    session.execute("begin")
    session.execute(INSERT.format(1))
    with pytest.raises(ProgrammingError, match="already exists"):
        session.execute("create table t as select 1 as n")
    session.execute("rollback")
    assert committed(variables) == [1]


def test_a_second_begin_is_ignored(session, variables):
    session.execute("begin")
    session.execute(INSERT.format(1))
    session.execute("begin transaction")
    session.execute("rollback")
    assert committed(variables) == []


@pytest.mark.parametrize("failing", [FAILING, "select * from absent", "selec 1"])
def test_a_failed_statement_leaves_the_transaction_open(session, variables, failing):
    """The example of Snowflake's page about transactions."""
    session.execute("begin")
    session.execute(INSERT.format(1))
    session.execute("delete from t where n = 5")
    with pytest.raises(ProgrammingError):
        session.execute(failing)
    session.execute(INSERT.format(2))
    assert committed(variables) == []
    session.execute("commit")
    assert committed(variables) == [1, 2]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_with_abort_on_error_a_failed_statement_undoes_all(session, variables, end):
    session.execute("alter session set transaction_abort_on_error = true")
    session.execute("begin")
    session.execute(INSERT.format(1))
    with pytest.raises(ProgrammingError, match="Could not convert"):
        session.execute(FAILING)
    for statement in (INSERT.format(2), "create table v (n integer)"):
        with pytest.raises(ProgrammingError, match="aborted by an error"):
            session.execute(statement)
    session.execute(end)
    session.execute(INSERT.format(3))
    assert committed(variables) == [3]


def test_abort_on_error_is_a_users_setting_too(session, variables):
    set_to = "alter user careful set transaction_abort_on_error = true"
    run(variables, "create user if not exists careful", set_to)
    with connect(variables | {"SNOWFLAKE_USER": "careful"}) as connection:
        cursor = connection.cursor()
        cursor.execute("begin")
        with pytest.raises(ProgrammingError, match="does not exist"):
            cursor.execute("select * from analytics.transactions.absent")
        with pytest.raises(ProgrammingError, match="aborted by an error"):
            cursor.execute("select 1")


def test_a_statement_waits_for_the_transaction_that_writes_its_rows(session, variables):
    session.execute(INSERT.format(1))
    session.execute("begin")
    session.execute("update t set n = n + 1")
    with ThreadPoolExecutor() as pool:
        update = "update analytics.transactions.t set n = n * 10"
        waiting = pool.submit(run, variables, update)
        time.sleep(0.5)
        assert not waiting.done()
        session.execute("commit")
        waiting.result(timeout=10)
    assert committed(variables) == [20]


def test_transactions_that_write_the_same_rows_run_one_after_the_other(
    session, variables
):
    """No update is lost."""
    session.execute(INSERT.format(0))
    update = "update analytics.transactions.t set n = n + 1"
    with ThreadPoolExecutor(6) as pool:
        list(
            pool.map(
                lambda _: run(variables, "begin", update, update, "commit"), range(6)
            )
        )
    assert committed(variables) == [12]


BLOCK = """
begin
    begin transaction;
    delete from t where n = 1; -- a comment; with a semicolon
    insert into t select {};
    commit;
{}
end"""
HANDLER = """exception
    when other then
        rollback;
        raise;"""
FORMS = {
    "as text": "execute immediate $${};\n$$\n/* {{'a': 'comment'}} */",
    "bare": "{};",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_block_commits_all_or_nothing(session, variables, form):
    session.execute(INSERT.format(1))
    for handler in (HANDLER, ""):
        with pytest.raises(ProgrammingError, match=r"STATEMENT_ERROR.*Could not conv"):
            session.execute(form.format(BLOCK.format("'text'::integer", handler)))
        assert committed(variables) == [1]
    answer = session.execute(form.format(BLOCK.format("2", HANDLER)))
    assert [column.name for column in answer.description] == ["anonymous block"]
    assert answer.fetchall() == [(None,)]
    assert committed(variables) == [2]
    session.execute("rollback")
    assert committed(variables) == [2]


def test_a_handler_without_raise_hides_the_error(session, variables):
    block = BLOCK.format("'text'::integer", "exception when other then rollback;")
    session.execute(FORMS["as text"].format(block))
    assert committed(variables) == []


def test_a_block_that_leaves_a_transaction_open_fails(session, variables):
    block = f"execute immediate $$begin begin transaction; {INSERT.format(1)}; end$$"
    with pytest.raises(ProgrammingError, match="incomplete and it was rolled back"):
        session.execute(block)
    session.execute("commit")
    assert committed(variables) == []


@pytest.mark.parametrize(
    "statements",
    [
        "begin",
        "begin insert into t values (1)",
        "let n := 1",
        "return 1",
        "raise",
        "if (true) then insert into t values (1)",
        "insert into t values (:n)",
        "insert into t values (1); exception when statement_error then rollback",
        "insert into t values (1); exception when other continue then rollback",
        "execute immediate 'select 1'",
        "call p()",
    ],
)
def test_what_the_emulator_does_not_know_of_scripting_is_refused(
    session, variables, statements
):
    with pytest.raises(ProgrammingError, match="Scripting does not know"):
        session.execute(f"execute immediate $$begin {statements}; end$$")
    assert committed(variables) == []


def test_a_block_does_not_end_the_transaction_around_it(session, variables):
    session.execute("begin")
    session.execute(INSERT.format(1))
    with pytest.raises(ProgrammingError, match="different scope is not allowed"):
        session.execute("execute immediate $$begin commit; end$$")
    with pytest.raises(ProgrammingError, match="a scoped transaction"):
        session.execute(FORMS["bare"].format(BLOCK.format("2", HANDLER)))
    session.execute("rollback")
    assert committed(variables) == []


# --- dbt through its real adapter -----------------------------------------------------

DBT_PROJECT = {
    "dbt_project.yml": """
        name: tiny
        version: "1.0"
        profile: tiny
        models: {tiny: {+persist_docs: {relation: true, columns: true}}}
        """,
    "profiles.yml": """
        tiny:
          target: dev
          outputs:
            dev:
              type: snowflake
              account: "{{ env_var('SNOWFLAKE_ACCOUNT') }}"
              user: "{{ env_var('SNOWFLAKE_USER') }}"
              password: "{{ env_var('SNOWFLAKE_PASSWORD') }}"
              role: "{{ env_var('SNOWFLAKE_ROLE') }}"
              warehouse: "{{ env_var('SNOWFLAKE_WAREHOUSE') }}"
              database: "{{ env_var('SNOWFLAKE_DATABASE') }}"
              host: "{{ env_var('SNOWFLAKE_HOST') }}"
              port: "{{ env_var('SNOWFLAKE_PORT') | int }}"
              protocol: "{{ env_var('SNOWFLAKE_PROTOCOL') }}"
              schema: tiny
              query_tag: tiny
              threads: 2
        """,
    "seeds/names.csv": "id,name,since\n1,one,2026-01-01\n2,two's,\n",
    "models/raw_events.sql": """
        select
            filename,
            file_row_number,
            loaded_at,
            try_parse_json(raw_line) as event,
            event['event_properties'] as event_properties,
            coalesce(event['uuid']::varchar, filename || file_row_number) as uuid,
            try_cast(event['event_time']::varchar as timestamp) as event_time
        from {{ source('amplitude', 'events') }}
        """,
    "models/events.sql": """
        {{ config(materialized='table', query_tag='events') }}
        select
            uuid,
            event_time,
            count(*)::integer as line_count
        from {{ ref('raw_events') }}
        group by 1, 2
        """,
    "models/files.sql": """
        {{ config(materialized='incremental', unique_key='filename') }}
        select
            filename,
            max(loaded_at) as loaded_at,
            count(*) as line_count
        from {{ ref('raw_events') }}
        {% if is_incremental() %}
            where loaded_at >= (select max(this.loaded_at) from {{ this }} as this)
        {% endif %}
        group by 1
        """,
    "models/days.sql": """
        {{ config(
            materialized='incremental', unique_key='day',
            incremental_strategy='delete+insert'
        ) }}
        select
            coalesce(event_time::date, '1970-01-01'::date) as day,
            sum(line_count) as line_count
        from {{ ref('events') }}
        group by 1
        """,
    "models/log.sql": """
        {{ config(materialized='incremental', incremental_strategy='append') }}
        select count(*) as event_count from {{ ref('events') }}
        """,
    "models/models.yml": """
        sources:
          - name: amplitude
            database: raw
            config:
              loaded_at_field: loaded_at
              freshness: {error_after: {count: 1, period: day}}
            tables: [{name: events}]
        models:
          - name: raw_events
            description: "One row per line. It's a view."
            columns: [{name: filename, description: The file's path}]
          - name: events
            description: One row per event
            config: {contract: {enforced: true}}
            columns:
              - name: uuid
                data_type: varchar
                description: The event's "key"
                data_tests: [unique, not_null]
              - {name: event_time, data_type: timestamp_ntz, description: When}
              - {name: line_count, data_type: number, description: How often}
          - name: files
            description: One row per file
            columns: [{name: filename, data_tests: [unique, not_null]}]
          - name: days
            columns: [{name: day, data_tests: [unique]}]
        unit_tests:
          - name: events__counts_lines
            model: events
            given:
              - input: ref('raw_events')
                rows:
                  - {uuid: a, event_time: 2026-01-01 00:00:00}
                  - {uuid: a, event_time: 2026-01-01 00:00:00}
                  - {uuid: b, event_time: null}
            expect:
              rows:
                - {uuid: a, event_time: 2026-01-01 00:00:00, line_count: 2}
                - {uuid: b, event_time: null, line_count: 1}
          - name: raw_events__reads_json
            model: raw_events
            given:
              - input: source('amplitude', 'events')
                format: sql
                rows: |
                  select '{"uuid": "a"}' as raw_line, 'f' as filename,
                    1 as file_row_number, '2026-01-01'::timestamp_ntz as loaded_at
            expect:
              rows: [{uuid: a, event_time: null}]
        """,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("tiny")
    for name, content in DBT_PROJECT.items():
        land(project, ".", name, dedent(content).lstrip().encode())
    return project


DBT_RUNS = """
import json, sys
from dbt.cli.main import dbtRunner
for arguments in json.loads(sys.argv[1]):
    if not dbtRunner().invoke(arguments).success:
        sys.exit(f"dbt {' '.join(arguments)} failed")
"""


def dbt(project: Path, variables: dict[str, str], *runs: list[str]) -> None:
    """Run dbt some times in one process of its own."""
    finished = subprocess.run(
        [sys.executable, "-c", DBT_RUNS, json.dumps(runs)],
        cwd=project,
        env=without_account() | variables | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_dbt_builds_twice_and_documents(project, variables, landing):
    build, freshness, docs = ["build"], ["source", "freshness"], ["docs", "generate"]
    dbt(project, variables, build, build, freshness, docs)
    lines = len(landed_lines(landing))
    for model in ("files", "days"):
        counted = f"select sum(line_count) from analytics.tiny.{model}"
        assert run(variables, counted) == [(lines,)]
    assert run(variables, "select count(*) from analytics.tiny.log") == [(2,)]
    seed = run(variables, "select name, since from analytics.tiny.names order by id")
    assert seed == [("one", datetime(2026, 1, 1).date()), ("two's", None)]

    catalog = json.loads((project / "target" / "catalog.json").read_text())
    assert len(catalog["nodes"]) == 6 and len(catalog["sources"]) == 1
    view = catalog["nodes"]["model.tiny.raw_events"]["metadata"]
    assert (view["type"], view["comment"]) == ("VIEW", "One row per line. It's a view.")
    columns = catalog["nodes"]["model.tiny.events"]["columns"]
    assert columns["UUID"]["comment"] == 'The event\'s "key"'
    summed = catalog["nodes"]["model.tiny.days"]["columns"]["LINE_COUNT"]
    assert summed["type"] == "NUMBER"
    leftover = run(variables, "show tables like '%dbt_tmp%' in schema analytics.tiny")
    assert leftover == []


def test_no_env_file_leads_an_emulated_build_to_an_account(variables):
    """dbt reads `.env` too, for what is not set."""
    read = set()
    for file in (
        "profiles.yml",
        "models/staging/amplitude/base/_amplitude__sources.yml",
    ):
        text = (ROOT / "dbt" / file).read_text()
        read.update(re.findall(r"env_var\('(SNOWFLAKE_\w+)'", text))
    of_names_only = {"SNOWFLAKE_DEV_WAREHOUSE", "SNOWFLAKE_MARTS_SCHEMA"}
    assert read - of_names_only <= variables.keys()


def test_command_runs_with_the_variables_and_gives_its_exit_code():
    def command(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "sandbox.snowflake", *arguments],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip

    finished = command("--", "sh", "-c", "echo $SNOWFLAKE_DATABASE; exit 3")
    assert (finished.returncode, finished.stdout) == (3, "analytics\n")
    missing = command("--landing", "no/such/folder")
    assert missing.returncode == 1 and "no/such/folder" in missing.stderr
    assert "Traceback" not in missing.stderr
