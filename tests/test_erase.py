"""make erase: what it takes out of the landing, at whatever moment it is killed."""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest

from ingest.erase import __main__ as erase
from ingest.erase import people
from ingest.erasures import Erased, ErasedId, Salt, without
from ingest.landing import FolderLanding
from ingest.landing.ledger import HourRecord, LandedFile, put_records, read_ledger
from ingest.windows import HOUR
from sandbox.amplitude.export_api import serve
from snowflake_setup.erase import _delete_rows

SALT = "0123456789abcdef0123456789abcdef"
FIRST = datetime(2026, 1, 12, 10, tzinfo=UTC)
PROJECT = "7"
JANE = "jane@acme.example"


def event(number: int, **fields: Any) -> bytes:
    """An exported line; the number makes it like no other."""
    return json.dumps({"uuid": f"u{number}", "event_type": "Seen"} | fields).encode()


# Of each upload hour the files, of each file the lines. Jane has two amplitude ids; on
# her phone she was anonymous first; the tablet she shares with Bob.
JANES = {
    "by user id": event(1, user_id=JANE, amplitude_id=11, device_id="laptop"),
    "of her second id": event(2, user_id=JANE, amplitude_id=12, device_id="phone"),
    "as text, spaced": b'{ "amplitude_id" : "11" ,"uuid": "u3"}',
    "escaped": event(4, user_id=JANE).replace(b"jane@", b"\\u006aane\\u0040"),
    "twice in one": b'{"uuid":"u5","user_id":"' + JANE.encode() + b'","user_id":null}',
    "no JSON": b'{"uuid":"u6" "user_id": "' + JANE.encode() + b'", oops}',
    "on the tablet": event(7, user_id=JANE, amplitude_id=11, device_id="tablet"),
    "anonymous, her id": event(8, user_id=None, amplitude_id=12, device_id="phone"),
}
ON_HER_PHONE = event(9, user_id=None, amplitude_id=13, device_id="phone")
OTHERS = {
    "Bob": event(20, user_id="bob", amplitude_id=21, device_id="tablet"),
    "within": event(21, user_id="x" + JANE, event_properties={"user_id": JANE}),
    "an id like hers": event(22, user_id="11", device_id="12", amplitude_id=110),
    "nobody": event(23, user_id=None, amplitude_id=None, device_id=None),
    "odd": '{"uuid":"u24", "n":1e999, "t":"\\ud83d é"  }'.encode(),
    "no JSON": b'{"uuid":"u25" oops}',
}
HOURS = [
    [list(JANES.values())[:4] + list(OTHERS.values()), [OTHERS["Bob"]]],
    [[JANES["by user id"]], [OTHERS["nobody"], JANES["twice in one"]]],
    [[OTHERS["nobody"]], [OTHERS["Bob"], OTHERS["odd"]]],
    [list(JANES.values())[4:], [ON_HER_PHONE, OTHERS["odd"]]],
]


@contextlib.contextmanager
def opened(landing: Path) -> Iterator[FolderLanding]:
    """The landing, without a lock on it afterwards."""
    folder = FolderLanding(landing)
    try:
        yield folder
    finally:
        folder._unlock()


def land(
    landing: Path,
    hour: int,
    files: list[list[bytes]],
    *,
    exported_at: timedelta = timedelta(hours=5),
    is_recorded: bool = True,
    form: str = "json.gz",
) -> list[str]:
    """Land the files of an hour as the ingest does; returns their keys."""
    place = FIRST + hour * HOUR
    landed = []
    for part, lines in enumerate(files):
        # The last line of each file lacks its end.
        content = b"\n".join(lines)
        if form == "json.gz":
            content = gzip.compress(content)
        digest = sha256(content).hexdigest()
        key = f"events/{PROJECT}/{place:%Y-%m-%d/%H}/{part}-{digest[:16]}.{form}"
        with opened(landing) as folder:
            folder.put(key, io.BytesIO(content), digest)
        name = f"{PROJECT}/{PROJECT}_{place:%Y-%m-%d}_{place.hour}#{part}.json.gz"
        landed.append(LandedFile(key, name, len(lines), len(content), digest))
    if is_recorded:
        record = HourRecord(
            PROJECT,
            place,
            "landed",
            True,
            landed,
            place,
            place,
            FIRST + hour * HOUR + exported_at,
            f"run{exported_at.seconds}",
            "key",
            "server",
        )
        with opened(landing) as folder:
            put_records(folder, [record])
    return [file.key for file in landed]


@pytest.fixture
def four_hours(landing: Path) -> Path:
    """The four hours, one exported twice, and a file that no run has recorded."""
    for hour, files in enumerate(HOURS):
        land(landing, hour, files, form="json" if hour == 3 else "json.gz")
    land(landing, 1, [[OTHERS["Bob"], JANES["on the tablet"]]], exported_at=4 * HOUR)
    unrecorded = [[OTHERS["Bob"]], [OTHERS["nobody"], JANES["by user id"]]]
    land(landing, 2, unrecorded, is_recorded=False)
    return landing


Erase = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_erase(landing: Path, tmp_path: Path) -> Erase:
    def run(
        *arguments: str, module: str = "erase", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"ingest.{module}", *arguments],
            cwd=tmp_path,
            env=os.environ
            | {
                "PYTHONPATH": str(Path(__file__).parents[1]),
                "LANDING": str(landing),
                "ERASURE_SALT": SALT,
            }
            | settings,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )

    return run


def events(landing: Path) -> dict[str, list[bytes]]:
    """The lines of each file, by key."""
    return {
        path.relative_to(landing).as_posix(): lines_of(path)
        for path in sorted(landing.glob("events/*/*/*/*"))
    }


def lines_of(path: Path) -> list[bytes]:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    return [line for line in content.split(b"\n") if line]


def lines(landing: Path) -> Counter[bytes]:
    return Counter(line for lines in events(landing).values() for line in lines)


def counting(landing: Path) -> Counter[bytes]:
    """The lines that the models count: those of each hour's newest files, and files
    without a record where the hour has none. Checks that these are as recorded."""
    newest: dict[datetime, HourRecord] = {}
    for record in records_of(landing):
        if record.hour not in newest or newest[record.hour].rank < record.rank:
            newest[record.hour] = record
    files = events(landing)
    found: Counter[bytes] = Counter()
    for record in newest.values():
        for file in record.files:
            assert len(files[file.key]) == file.event_count, file.key
            content = (landing / file.key).read_bytes()
            assert len(content) == file.byte_count
            assert sha256(content).hexdigest() == file.sha256
            assert file.sha256.startswith(file.key.rsplit("-", 1)[1].split(".")[0])
            found.update(files[file.key])
    return found


def records_of(landing: Path) -> list[HourRecord]:
    """The ledger's records of files."""
    with opened(landing) as folder:
        found = read_ledger(folder, datetime.now(UTC))
        return [one for _, records in found for one in records if one.files]


def without_jane(counter: Counter[bytes], *also: bytes) -> Counter[bytes]:
    gone = {*JANES.values(), *also}
    return Counter({line: n for line, n in counter.items() if line not in gone})


def test_a_dry_run_says_what_would_go_and_changes_nothing(four_hours, run_erase):
    before = {path: path.read_bytes() for path in four_hours.rglob("*.json*")}
    run = run_erase(USER_IDS=JANE)
    assert run.returncode == 0, run.stderr
    assert "project 7: 12 events to erase, from 6 files of 4 upload hours" in run.stdout
    assert "2026-01-12T10  4 events, 1 files" in run.stdout
    # Both ids of hers; her phone and what she was on are shown.
    assert re.search(r"amplitude_id, erased with them.*: 2\n  11, 12\n", run.stdout)
    assert re.search(r"device_id, seen with them.*: 3\n", run.stdout)
    # Of three hours one event each, which has her address in another field.
    assert re.search(r"\n1 events of others hold an id", run.stdout), run.stdout
    assert "CONFIRM=1" in run.stdout
    assert {path: path.read_bytes() for path in four_hours.rglob("*.json*")} == before


@pytest.mark.parametrize(
    ("arguments", "settings", "also"),
    [
        ([], {"USER_IDS": JANE}, []),
        (["--anyway"], {"USER_IDS": f"nobody, {JANE} ,"}, []),
        (["--also-linked"], {"USER_IDS": JANE}, [ON_HER_PHONE]),
        (["--also-linked"], {"AMPLITUDE_IDS": "11,12"}, [ON_HER_PHONE]),
        (["--project", PROJECT], {"USER_IDS": JANE}, []),
    ],
)
def test_only_the_events_of_the_person_go(
    four_hours, run_erase, arguments, settings, also
):
    before, counted = lines(four_hours), counting(four_hours)
    run = run_erase("--confirm", *arguments, **settings)
    assert run.returncode == 0, run.stderr
    assert lines(four_hours) == without_jane(before, *also)
    assert counting(four_hours) == without_jane(counted, *also)
    # Nor is any of them anywhere in it, nor in what was said.
    for path in [*four_hours.rglob("*.json"), *four_hours.parent.glob("logs/*")]:
        if "events/" not in path.as_posix():
            assert JANE not in path.read_text()
    assert JANE not in run.stdout + run.stderr


def test_a_device_and_a_shared_one_are_erased_if_they_are_given(four_hours, run_erase):
    before = lines(four_hours)
    run = run_erase("--confirm", DEVICE_IDS="tablet")
    assert run.returncode == 0, run.stderr
    gone = {JANES["on the tablet"], OTHERS["Bob"]}
    assert lines(four_hours) == Counter(
        {line: n for line, n in before.items() if line not in gone}
    )


def test_a_device_that_others_use_is_not_linked(four_hours, run_erase):
    run = run_erase("--also-linked", USER_IDS=JANE)
    assert re.search(
        r"device_id, not erased, because others .*: 1\n  tablet\n", run.stdout
    )


def test_another_project_is_left_alone(four_hours, run_erase):
    before = lines(four_hours)
    run = run_erase("--confirm", "--project", "8", USER_IDS=JANE)
    assert run.returncode == 1 and "nothing found" in run.stdout
    assert lines(four_hours) == before


def test_ids_come_from_a_file(four_hours, run_erase, tmp_path):
    (tmp_path / "ids").write_text(f"\ufeffa,b\r\n{JANE}\r\n\r\n")
    run = run_erase("--confirm", USER_IDS="@ids")
    assert run.returncode == 1 and "1 ids that were given have no" in run.stderr
    assert "erased 12 events" in run.stderr


def test_commands_after_an_erasure_run_without_the_ids(four_hours, run_erase):
    show = "import os, sys; print('env', dict(os.environ)); sys.exit(9)"
    command = ("--", sys.executable, "-c", show)
    assert "env" not in run_erase(*command, USER_IDS=JANE).stdout
    assert "env" not in run_erase("--confirm", *command, USER_IDS="nobody").stdout
    for _ in range(2):
        # Again, too: a run that was killed may have left it to do.
        run = run_erase(
            "--confirm", *command, USER_IDS=JANE, MAKEFLAGS=f" -- USER_IDS={JANE}"
        )
        assert run.returncode == 9
        assert "env" in run.stdout and JANE not in run.stdout


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"USER_IDS": JANE, "ERASURE_SALT": ""}, 2, "ERASURE_SALT is not set"),
        ({"USER_IDS": JANE, "ERASURE_SALT": "short"}, 2, "fewer than 32 characters"),
        ({}, 2, "say whom to erase"),
        ({"USER_IDS": " , "}, 2, "say whom to erase"),
        ({"AMPLITUDE_IDS": JANE}, 2, "AMPLITUDE_IDS holds something that is not"),
        ({"USER_IDS": f"@{JANE}"}, 2, "the file that USER_IDS names cannot be read"),
        ({"USER_IDS": JANE, "LANDING": "nowhere"}, 2, "LANDING is not a folder"),
    ],
)
def test_wrong_settings_are_named_and_ids_are_not(
    four_hours, run_erase, tmp_path, settings, code, words
):
    run = run_erase("--confirm", **settings)
    assert run.returncode == code and words in run.stderr
    assert JANE not in run.stderr + run.stdout
    assert not (tmp_path / "nowhere").exists()


def test_the_salt_of_the_records_is_needed(four_hours, run_erase):
    assert run_erase("--confirm", USER_IDS=JANE).returncode == 0
    run = run_erase("--confirm", USER_IDS="bob", ERASURE_SALT=SALT[::-1])
    assert run.returncode == 2 and "not the one" in run.stderr


def test_a_landing_that_may_not_be_written_is_said_to_be_so(four_hours, run_erase):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (four_hours / "events").chmod(0o500)
    run = run_erase("--confirm", USER_IDS=JANE)
    assert run.returncode == 5 and "cannot be used" in run.stderr


def test_no_run_may_be_under_way(four_hours, run_erase):
    before = lines(four_hours)
    with opened(four_hours):
        run = run_erase("--confirm", USER_IDS=JANE)
        assert run.returncode == 5 and "another run uses the landing" in run.stderr
        assert lines(four_hours) == before
        # A dry run changes nothing, so it may.
        assert run_erase(USER_IDS=JANE).returncode == 0


def test_it_says_which_ids_were_found_and_whose_events_go(four_hours, run_erase):
    run = run_erase(USER_IDS=f"{JANE}, bobb", DEVICE_IDS="tablet")
    assert run.returncode == 1 and "1 ids that were given have no" in run.stderr
    for line in (
        "given ids without an event: 1",
        "  user_id bobb: 0 events",
        f"  user_id {JANE}: 10 events",
        "  device_id tablet: 7 events",
        "user_id, not given, but their events are erased because of another id: 1\n"
        "  bob",
    ):
        assert f"\n{line}\n" in run.stdout, run.stdout
    run = run_erase("--confirm", USER_IDS=f"{JANE}, bobb")
    assert run.returncode == 1 and "erased 12 events" in run.stderr
    assert "bobb" not in run.stdout + run.stderr
    [record] = four_hours.glob("erasures/*")
    assert len(json.loads(record.read_text())["ids"]) == 1
    # What has landed of her since goes with the next, and does not count as its own.
    land(four_hours, 5, [[JANES["by user id"], OTHERS["Bob"]]])
    run = run_erase("--confirm", USER_IDS="bobb")
    assert run.returncode == 1 and "erased 1 events" in run.stderr
    assert "1 of these events belong to persons erased before" in run.stdout
    assert len(list(four_hours.glob("erasures/*"))) == 2


def test_an_id_without_events_deletes_no_damaged_file(four_hours, run_erase):
    """Else a mistyped id deleted files, and their names were not said."""
    [old] = [
        key
        for key, found in events(four_hours).items()
        if found == [OTHERS["Bob"], JANES["on the tablet"]]
    ]
    (four_hours / old).write_bytes(b"damaged")
    strange = four_hours / "events" / PROJECT / "2026-01-12/11/bad.json.gz"
    strange.write_bytes(b"damaged")
    run = run_erase("--confirm", USER_IDS="mistyped")
    assert run.returncode == 1 and "nothing found" in run.stdout
    assert (four_hours / old).exists() and not list(four_hours.glob("erasures/*"))
    run = run_erase("--confirm", USER_IDS=JANE)
    assert f"{old} is damaged, its hour was exported again" in run.stdout
    assert "bad.json.gz is damaged" in run.stderr and run.returncode == 1
    assert strange.exists() and not (four_hours / old).exists()


@pytest.mark.parametrize(
    "text",
    [
        b'"https://a.example/?e=jane%40acme.example"',
        b'"JANE@Acme.Example"',
        b'"jane\\u0040acme.example"',
        'say "José Ñuñez/7"'.encode(),
        'say "JOSÉ ÑUÑEZ/7"'.encode(),
        b'"Jos\\u00c9 %C3%91u\\u00F1ez\\/7"',
        b'"?u=Jos%C3%A9%20%C3%91u%C3%B1ez%2F7"',
    ],
)
def test_mentions_are_found_in_their_usual_forms(text):
    looking = people.Looking(
        Salt(SALT),
        frozenset(),
        texts=(people.id_text(JANE), people.id_text("José Ñuñez/7")),
    )
    assert not looking.matches(PROJECT, b'{"uuid": "u1", "url": %b}' % text)
    assert len(looking.mentions) == 1


def test_similar_ids_are_shown_and_stay(landing, run_erase):
    similar = ["Jane@ACME.example", f" {JANE} ", "jose\u0301", "nobody"]
    rows = [event(n, user_id=user) for n, user in enumerate(similar)]
    land(landing, 0, [[*rows, JANES["by user id"]]])
    run = run_erase(USER_IDS=f"{JANE}, jos\u00e9")
    # The one with a space is the id itself, as it is given.
    title = "user_id, not erased, but similar to a given id"
    assert f"{title}: 3\n   {JANE} , Jane@ACME.example, jose\u0301\n" in run.stdout
    run = run_erase("--confirm", USER_IDS=JANE)
    assert f"{title}: 2\n" in run.stdout and "jane" not in run.stdout.lower()
    assert lines(landing) == Counter(rows)


def test_files_that_are_not_looked_at_are_named(four_hours, run_erase):
    [key, *_] = events(four_hours)
    folder = four_hours / f"events/{PROJECT}"
    names = [
        f"{key}.bak",
        f"{key}~",
        "events_old/a.json.gz",
        f"events/{PROJECT}/x.JSON",
    ]
    names += [f"events/{PROJECT}/x.json.zst", "events.csv"]
    for name in names:
        (four_hours / name).parent.mkdir(exist_ok=True)
        (four_hours / name).write_bytes(JANES["by user id"])
    run = run_erase("--confirm", "--project", PROJECT, USER_IDS=JANE)
    assert run.returncode == 1 and folder.exists()
    for name in names:
        assert f"{name} was not searched" in run.stderr, run.stderr
    other = run_erase("--project", "8", USER_IDS=JANE)
    assert other.stderr.count("was not searched") == 2


def test_ids_that_are_plain_words_change_no_message(four_hours, run_erase):
    run = run_erase("--confirm", USER_IDS=f"{JANE},events", DEVICE_IDS="landing")
    assert "erased 12 events from 6 files of the landing" in run.stderr


def test_a_file_that_is_back_is_named(four_hours, run_erase, ingest):
    shutil.copytree(four_hours, four_hours.with_name("backup"))
    verify = ("--verify", *HOUR_OF_SAMPLE)
    ingest = partial(ingest, AMP_PROJECT_ID=PROJECT)
    assert run_erase("--confirm", USER_IDS=JANE).returncode == 0
    assert ingest(*verify).returncode == 0
    shutil.copytree(four_hours.with_name("backup"), four_hours, dirs_exist_ok=True)
    check = ingest(*verify)
    # The sixth is of no export that was recorded.
    assert check.returncode == 1 and check.stdout.count("erased, and back") == 5
    assert "erased 12 events" in run_erase("--confirm").stderr
    assert ingest(*verify).returncode == 0


def test_damaged_files_are_named_and_left(four_hours, run_erase):
    victim, other = [
        key for key, found in events(four_hours).items() if JANES["escaped"] in found
    ] + [key for key, found in events(four_hours).items() if not JANES.keys() & found][
        :1
    ]
    for key in (victim, other):
        path = four_hours / key
        path.write_bytes(path.read_bytes()[:-9] + b"something")
    run = run_erase("--confirm", USER_IDS=JANE)
    assert run.returncode == 1
    assert f"{victim} is damaged" in run.stderr and f"{other} is damaged" in run.stderr
    assert (four_hours / victim).read_bytes().endswith(b"something")


def test_a_file_of_a_strange_name_is_named(four_hours, run_erase):
    path = four_hours / "events" / PROJECT / "mine.json"
    path.write_bytes(JANES["by user id"])
    run = run_erase("--confirm", USER_IDS=JANE)
    assert run.returncode == 1 and "mine.json holds events to erase" in run.stderr
    assert path.exists()


def test_an_hour_that_is_empty_by_now_keeps_the_others(four_hours, run_erase):
    """Amplitude said later that it has nothing: the landed files still count."""
    [record] = [one for one in records_of(four_hours) if one.hour == FIRST]
    later = record.exported_at + HOUR
    empty = HourRecord(
        PROJECT, FIRST, "empty", True, [], FIRST, FIRST, later, "e", "key", "server"
    )
    with opened(four_hours) as folder:
        put_records(folder, [empty])
    assert run_erase("--confirm", USER_IDS=JANE).returncode == 0
    records = [one for one in records_of(four_hours) if one.hour == FIRST]
    newest = max(records, key=lambda record: record.rank)
    assert newest.exported_at == record.exported_at + timedelta(microseconds=1)
    assert all((four_hours / file.key).exists() for file in newest.files)


def test_two_persons_one_after_the_other(four_hours, run_erase):
    before = counting(four_hours)
    for person in (JANE, "bob"):
        assert run_erase("--confirm", USER_IDS=person).returncode == 0
    gone = {OTHERS["Bob"]}
    assert counting(four_hours) == without_jane(before, *gone)


# What changes the landing: before and after each of these a run is killed.
CHANGES = (
    (FolderLanding, "put"),
    (os, "fsync"),
    (Path, "unlink"),
)


def test_killed_anywhere_and_run_again_it_ends_the_same(four_hours, tmp_path):
    origin = tmp_path / "origin"
    shutil.copytree(four_hours, origin)
    counted = counting(origin)
    assert end(four_hours, tmp_path) == 0
    expected = events(four_hours), counting(four_hours)
    assert expected[1] == without_jane(counted, ON_HER_PHONE)
    kills = 0
    while True:
        kills += 1
        shutil.rmtree(four_hours)
        shutil.copytree(origin, four_hours)
        if end(four_hours, tmp_path, kill_at=kills) != -signal.SIGKILL:
            break
        # Nothing of others is lost or doubled for a build that comes now.
        now = counting(four_hours)
        assert without_jane(now, ON_HER_PHONE) == expected[1], kills
        # Once there is a record it has the linked ids: to find them may take events
        # that are gone.
        is_recorded = bool(list(four_hours.glob("erasures/*")))
        assert end(four_hours, tmp_path, also_linked=not is_recorded) == 0
        assert (events(four_hours), counting(four_hours)) == expected, kills
        assert not list((four_hours / ".incoming").iterdir())
    print(kills)
    assert kills > 40


def end(
    landing: Path, folder: Path, *, kill_at: int = 0, also_linked: bool = True
) -> int:
    """Erase Jane in a process of its own, which kills itself with SIGKILL at a change.

    Returns its exit code; negative if it was killed by a signal.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99
    try:
        os.chdir(folder)
        with (
            patch.dict(
                os.environ,
                {"LANDING": str(landing), "ERASURE_SALT": SALT, "USER_IDS": JANE},
            ),
            patch.object(sys, "argv", ["erase", "--confirm", *LINKED[also_linked]]),
            (folder / "said").open("a") as said,
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            killing(kill_at),
        ):
            code = erase.main()
    finally:
        os._exit(code)


LINKED = {True: ["--also-linked"], False: []}


@contextlib.contextmanager
def killing(kill_at: int) -> Iterator[None]:
    moments = 0

    def moment() -> None:
        nonlocal moments
        moments += 1
        if moments == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(change: Callable) -> Callable:
        def changed(*given, **options):
            moment()
            result = change(*given, **options)
            moment()
            return result

        return changed

    with contextlib.ExitStack() as stack:
        for owner, name in CHANGES:
            stack.enter_context(patch.object(owner, name, around(getattr(owner, name))))
        yield


def test_the_record_holds_no_id_and_no_hash_that_can_be_guessed(four_hours, run_erase):
    assert run_erase("--confirm", USER_IDS=JANE).returncode == 0
    [record] = four_hours.glob("erasures/*")
    text = record.read_text()
    for value in (JANE, "11", "12"):
        assert f'"{value}"' not in text
        assert sha256(value.encode()).hexdigest() not in text
    content = json.loads(text)
    assert content["event_count"] == 12 and content["file_count"] == 6
    assert [one["kind"] for one in content["ids"]] == ["user_id"]
    assert [one["kind"] for one in content["linked_ids"]] == ["amplitude_id"] * 2
    # Run again it says nothing new.
    assert run_erase("--confirm", USER_IDS=JANE).returncode == 0
    assert list(four_hours.glob("erasures/*")) == [record]


HOUR_OF_SAMPLE = ("--start", "2026-01-12T10", "--end", "2026-01-12T13")


@pytest.mark.parametrize("form", ["json.gz", "json"])
def test_no_later_export_brings_them_back(ingest, run_erase, landing, form):
    ingest_hours = (*HOUR_OF_SAMPLE, "--format", form)
    assert ingest(*ingest_hours).returncode == 0
    [(person, count)] = Counter(
        row["user_id"]
        for found in events(landing).values()
        for row in map(json.loads, found)
        if row["user_id"]
    ).most_common(1)
    before = lines(landing)
    run = run_erase("--confirm", "--also-linked", USER_IDS=person)
    assert run.returncode == 0, run.stderr
    after, keys = lines(landing), events(landing).keys()
    assert sum(after.values()) <= sum(before.values()) - count
    refused = ingest(*ingest_hours, "--force")
    assert refused.returncode == 2 and "ERASURE_SALT is not set" in refused.stderr
    again = ingest(*ingest_hours, "--force", ERASURE_SALT=SALT)
    assert again.returncode == 0, again.stderr
    gone = sum((before - after).values())
    assert f"({gone} left out)" in again.stderr
    assert lines(landing) == after
    if form == "json":
        # Gzipped it depends on who compressed it.
        assert events(landing).keys() == keys
    check = ingest("--verify", *HOUR_OF_SAMPLE)
    assert check.returncode == 0, check.stdout
    # A new landing takes all of them.
    other = ingest(*ingest_hours, LANDING=f"{landing}2")
    assert other.returncode == 0 and "left out" not in other.stderr


def test_ids_are_recorded_anyway_if_wanted(ingest, run_erase, landing):
    landing.mkdir()
    assert run_erase("--confirm", USER_IDS="user-10180").returncode == 1
    assert not list(landing.glob("erasures/*"))
    anyway = run_erase("--confirm", "--anyway", USER_IDS="user-10180")
    assert anyway.returncode == 0, anyway.stderr
    assert list(landing.glob("erasures/*"))
    run = ingest("--start", "2026-01-12", "--end", "2026-01-12", ERASURE_SALT=SALT)
    assert run.returncode == 0
    assert not any(b"user-10180" in line for line in lines(landing))


def export(folder: Path, hour: int, found: list[bytes]) -> None:
    """What Amplitude exports of an hour."""
    name = f"{PROJECT}_{FIRST:%Y-%m-%d}_{FIRST.hour + hour}#0.json.gz"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(gzip.compress(b"".join(x + b"\n" for x in found)))


HER_NEW_ID = event(30, user_id=None, amplitude_id=99, device_id="new")


def test_a_linked_id_leaves_out_no_event_of_another_user(
    four_hours, ingest, run_erase, tmp_path
):
    assert run_erase("--confirm", "--also-linked", USER_IDS=JANE).returncode == 0
    bobs = [
        event(31, user_id="bob", amplitude_id=21, device_id="phone"),
        event(32, user_id="bob", amplitude_id=12, device_id="tablet"),
    ]
    export(tmp_path / "export", 4, [*bobs, ON_HER_PHONE])
    with serve(tmp_path / "export") as api:
        hours = ("--start", "2026-01-12T14", "--end", "2026-01-12T14")
        run = ingest(*hours, ERASURE_SALT=SALT, **api.environment)
    assert run.returncode == 0 and "(1 left out)" in run.stderr, run.stderr
    land(four_hours, 5, [[*bobs, ON_HER_PHONE]])
    run = run_erase("--confirm", "--anyway", USER_IDS="carl")
    assert "erased 1 events" in run.stderr
    for one in bobs:
        assert lines(four_hours)[one] == 2
    assert ON_HER_PHONE not in lines(four_hours)


def test_amplitude_ids_that_an_erased_user_gets_later_are_erased_too(
    ingest, run_erase, landing, tmp_path
):
    landing.mkdir()
    run_erase("--confirm", "--anyway", USER_IDS=JANE)
    shared = [
        event(n, user_id=u, amplitude_id=98) for n, u in [(33, "bob"), (34, None)]
    ]
    export(tmp_path / "export", 0, [event(35, user_id=None, amplitude_id=99)])
    export(
        tmp_path / "export",
        1,
        [
            HER_NEW_ID,
            event(36, user_id=JANE, amplitude_id=99),
            OTHERS["Bob"],
            *shared,
            event(37, user_id=JANE, amplitude_id=98),
        ],
    )
    with serve(tmp_path / "export") as api:
        both = partial(ingest, ERASURE_SALT=SALT, **api.environment)
        for hour in (10, 11):
            run = both("--start", f"2026-01-12T{hour}", "--end", f"2026-01-12T{hour}")
            assert run.returncode == 0, run.stderr
        assert "(3 left out)" in run.stderr and "new amplitude ids" in run.stderr
        # The hour before landed when the id was not known. Whom need not be said.
        assert lines(landing).total() == 4
        run = run_erase("--confirm")
        assert run.returncode == 0 and "erased 1 events" in run.stderr, run.stderr
        assert lines(landing) == Counter([OTHERS["Bob"], *shared])
        again = both(*HOUR_OF_SAMPLE, "--force")
    assert "(4 left out)" in again.stderr and "new amplitude" not in again.stderr
    assert lines(landing) == Counter([OTHERS["Bob"], *shared])
    assert "nothing found" in run_erase("--confirm").stdout


def test_raw_on_snowflake_follows_the_same_rule(landing):
    """Of files that are in raw alone, rows are deleted by their number."""
    salt = Salt(SALT)
    erased = Erased(
        salt,
        frozenset({ErasedId(None, "user_id", salt.hash("user_id", JANE))}),
        frozenset({ErasedId(PROJECT, "device_id", salt.hash("device_id", "phone"))}),
    )
    users = [JANE, "bob", None, "bob"]
    devices = ["laptop", "phone", "phone", "tablet"]
    key = f"events/{PROJECT}/a.json.gz"
    rows = [
        {"filename": key, "file_row_number": number, "line": None, "amplitude_id": None}
        | {"user_id": user, "device_id": device}
        for number, (user, device) in enumerate(zip(users, devices, strict=True), 1)
    ]
    said = []

    class Said:
        def rows(self, statement: str) -> list[dict]:
            said.append(statement)
            return [{"n": 2}] if "count(*)" in statement else rows

        def table(self, name: str) -> str:
            return name

        def key(self, name: str) -> str:
            return name

    landing.mkdir()
    with opened(landing) as folder:
        assert _delete_rows(Said(), Said(), folder, [key], erased) == 2
    assert "file_row_number in (1, 3)" in said[-1] and JANE not in "".join(said)


@pytest.mark.parametrize(
    "damage",
    [
        {"ids": {}},
        {"ids": [{"project_id": 7, "kind": "user_id", "hash": "0" * 64}]},
        {"ids": [{"project_id": None, "kind": "zzz", "hash": "0" * 64}]},
        {"linked_ids": [{"project_id": None, "kind": "user_id", "hash": "0"}]},
        {"linked_ids": None},
        {"files": [{"key": "a"}]},
    ],
)
def test_a_record_that_would_match_nothing_is_refused(run_erase, landing, damage):
    landing.mkdir()
    run_erase("--confirm", "--anyway", USER_IDS=JANE)
    [record] = landing.glob("erasures/*")
    record.write_text(json.dumps(json.loads(record.read_text()) | damage))
    run = run_erase(USER_IDS=JANE)
    assert run.returncode == 5 and "not a valid record" in run.stderr


def test_the_file_of_duckdb_is_written_anew(four_hours, run_erase, tmp_path):
    """What models do not make stays, without merges of the person; the old pages go."""
    assert run_erase("--confirm", USER_IDS=JANE).returncode == 0
    path, link = tmp_path / "a.duckdb", tmp_path / "link.duckdb"
    link.symlink_to(path)
    with duckdb.connect(path) as connection:
        connection.execute(
            "create schema amplitude;"
            "create table amplitude.merges as"
            " select * from (values (11, 99), (98, 12), (97, 96)) as merges"
            " (amplitude_id, merged_amplitude_id);"
            "create view amplitude.seen as select * from amplitude.merges;"
            "create table amplitude.mine as select 'bob' as user_id;"
            "create table amplitude.events as"
            f" select '{JANE}' as amplitude_user_id, '7' as project_id"
            " from range(100000);"
            "checkpoint; delete from amplitude.events; checkpoint"
        )
    assert JANE.encode() in path.read_bytes()

    def rebuild(*command: str) -> subprocess.CompletedProcess[str]:
        return run_erase("--", *command, module="erase.duckdb", WAREHOUSE=str(link))

    failed = rebuild("false")
    assert failed.returncode == 1 and JANE.encode() in path.read_bytes()
    done = rebuild("true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert JANE.encode() not in path.read_bytes() and link.is_symlink()
    with duckdb.connect(path) as connection:
        for table, expected in {"seen": [(97, 96)], "mine": [("bob",)]}.items():
            assert connection.execute(f"from amplitude.{table}").fetchall() == expected
        connection.execute(f"insert into amplitude.mine values ('{JANE}')")
        # Another program has it open: it cannot be rewritten.
        busy = rebuild("true")
    assert busy.returncode == 3 and "cannot be rewritten" in busy.stderr
    left = rebuild("true")
    assert left.returncode == 1 and "amplitude.mine still holds ids" in left.stdout
    assert JANE not in left.stdout + left.stderr


def test_copies_in_the_file_of_duckdb_are_found(four_hours, run_erase, tmp_path):
    """Whatever their names and columns are; a view that is broken stops nothing."""
    run_erase("--confirm", "--also-linked", USER_IDS=JANE)
    with duckdb.connect(tmp_path / "a.duckdb") as connection:
        for name, columns in {
            'a"b': "'bob' as USER_ID",
            "upper": f"'{JANE}' as \"User_Id\"",
            "lists": f"['bob', '{JANE}'] as user_ids",
            "mails": f"'{JANE}' as work_email",
            "phones": "'phone' as device_id",
            "taken": "'bob' as amplitude_user_id, 12 as amplitude_id",
            "bobs": "12 as amplitude_id",
            "numbers": "11 as user_count",
        }.items():
            quoted = name.replace('"', '""')
            connection.execute(f'create table "{quoted}" as select {columns}')
        connection.execute("create table x as select 1 as user_id")
        connection.execute("create view broken as select * from x; drop table x")
        connection.execute(f"create view hers as select '{JANE}' as user_id")

    def left() -> list[str]:
        run = run_erase(
            "--", "true", module="erase.duckdb", WAREHOUSE=str(tmp_path / "a.duckdb")
        )
        assert run.returncode == 1 and not run.stderr, run.stderr
        return re.findall(r"(\S+) still holds ids", run.stdout)

    assert left() == ["main.lists", "main.mails", "main.phones", "main.upper"]
    with duckdb.connect(tmp_path / "a.duckdb") as connection:
        connection.execute("drop table taken")
    assert "main.bobs" in left()


def test_a_large_file_is_not_kept_in_memory():
    """What is left is on disk beyond a few MB."""
    salt = Salt(SALT)
    erased = Erased(
        salt, frozenset({ErasedId(None, "user_id", salt.hash("user_id", JANE))})
    )
    line = event(1, user_id="other", filler=os.urandom(512).hex()) + b"\n"
    text = io.BytesIO(JANES["by user id"] + b"\n" + line * 10_000)
    rest = without(text, erased, None, is_gzip=False)
    assert rest.content.read() == line * 10_000
    assert (rest.event_count, rest.erased_count) == (10_000, 1)
    assert rest.content._rolled
