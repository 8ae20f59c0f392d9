"""Saved lists that become history: real files, what is said of them, the database afterwards."""

import asyncio
import gzip
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fixtures
from fixtures.replay import ReplayGateway
from service import app, saved
from service.catalog import utc_now
from service.cli import commands
from service.config import Settings
from service.errors import PastError, StaleError, UsageError
from tests.support import Clock, Run, query, read_to_end, run, run_in_thread, running_service

INCIDENT: Final = (
    "openrouter-2026-01-15T2020.json",
    "openrouter-2026-01-15T2218.json",
    "openrouter-2026-01-16T1420.json",
)
FULL = [f"maker/model-{number}" for number in range(20)]
FEW = FULL[:5]


def listing(ids: Sequence[str], context: int = 1000) -> bytes:
    """A gateway's list of these models."""
    return json.dumps({"data": [{"id": one, "context_length": context} for one in ids]}).encode()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "stored" / "catalog.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test saves its lists."""
    made = tmp_path / "saved"
    made.mkdir()
    return made


def save(folder: Path, name: str, body: bytes) -> Path:
    file = folder / name
    file.write_bytes(body)
    return file


async def taken(database: Path, *words: str | Path) -> Run:
    """`model-catalog import …` into that database, in this process."""
    return await run_in_thread("import", *map(str, words), **environment_of(database))


def environment_of(database: Path) -> dict[str, str]:
    """What points a process at that database."""
    return {"MODEL_CATALOG_DATABASE_URL": f"sqlite:///{database}"}


def take(
    database: Path,
    *files: Path,
    at: str | None = None,
    from_names: bool = False,
    accept_held: bool = False,
    as_json: bool = False,
    **chosen: Any,
) -> int:
    """The same without the command line. Returns the exit code."""
    return commands.import_lists(
        Settings.load({"database_url": f"sqlite:///{database}", **chosen}),
        files,
        at=at,
        from_names=from_names,
        accept_held=accept_held,
        as_json=as_json,
    )


def only_line(text: str) -> str:
    [line] = text.splitlines()
    assert "Traceback" not in line
    return line


def states(database: Path) -> list[tuple[Any, ...]]:
    """Every state, without its number."""
    return query(
        database,
        "SELECT since_revision, until_revision, model_id, kind, status, first_seen, missing_since,"
        " removed_at, position, cost_input, context_window FROM versions ORDER BY 1, 3",
    )


def revisions(database: Path) -> list[tuple[Any, ...]]:
    return query(database, "SELECT revision, at, cause FROM revisions ORDER BY revision")


def counts(database: Path, revision: int) -> dict[str, int]:
    sql = f"SELECT kind, count(*) FROM versions WHERE since_revision = {revision} GROUP BY kind"
    return dict(query(database, sql))


def is_absent(database: Path) -> bool:
    return not database.exists()


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# ── a real incident ───────────────────────────────────────────────────────────────────────────


async def test_three_dated_captures_become_the_history_of_their_incident(
    captures: Path, database: Path
) -> None:
    answer = await taken(
        database, "--at-from-name", *(captures / INCIDENT[place] for place in (2, 0, 1))
    )

    assert (answer.code, answer.err) == (0, "")
    assert only_line(answer.out) == (
        "3 lists imported: 2026-01-15 … 2026-01-16, "
        "345 models added, 14 changed, 17 missing, 11 returned; revision 4"
    )
    assert revisions(database) == [
        (1, "2026-01-15T20:20:00Z", "seed"),
        (2, "2026-01-15T20:20:00Z", "import"),
        (3, "2026-01-15T22:18:00Z", "import"),
        (4, "2026-01-16T14:20:00Z", "import"),
    ]
    assert counts(database, 2) == {"added": 344}
    assert counts(database, 3) == {"added": 1, "changed": 9, "missing": 16}
    assert counts(database, 4) == {"changed": 5, "missing": 1, "returned": 11}
    vanished = "SELECT model_id FROM versions WHERE since_revision = 3 AND kind = 'missing'"
    back = "SELECT model_id FROM versions WHERE since_revision = 4 AND kind = 'returned'"
    assert set(query(database, back)) < set(query(database, vanished))
    assert query(database, "SELECT count(*) FROM versions WHERE status = 'removed'") == [(0,)]
    assert query(
        database, "SELECT at, outcome, reason, http_status, entries FROM refreshes ORDER BY id"
    ) == [
        ("2026-01-15T20:20:00Z", "updated", "first", None, 344),
        ("2026-01-15T22:18:00Z", "updated", "changes", None, 329),
        ("2026-01-16T14:20:00Z", "updated", "changes", None, 339),
    ]


def test_with_a_shorter_grace_the_absent_are_removed_and_some_return(
    captures: Path, database: Path, folder: Path
) -> None:
    for name in INCIDENT:
        shutil.copy(captures / name, folder)
    save(folder, "again-2026-01-16T00-00.json", (captures / INCIDENT[1]).read_bytes())

    assert take(database, folder, from_names=True, removal_grace="1h") == 0

    removed = query(
        database,
        "SELECT at, missing_since, removed_at, count(*) FROM versions JOIN revisions"
        " ON revision = since_revision WHERE kind = 'removed' GROUP BY 1, 2, 3",
    )
    midnight = "2026-01-16T00:00:00Z"
    assert removed == [(midnight, "2026-01-15T22:18:00Z", midnight, 16)]
    returned = query(
        database,
        "SELECT at, status, missing_since, removed_at, first_seen, count(*) FROM versions"
        " JOIN revisions ON revision = since_revision WHERE kind = 'returned' GROUP BY 1, 2",
    )
    assert returned == [("2026-01-16T14:20:00Z", "active", None, None, "2026-01-15T20:20:00Z", 11)]


def test_the_order_of_the_arguments_does_not_matter(
    captures: Path, database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [captures / name for name in INCIDENT]
    other = tmp_path / "other" / "catalog.db"

    take(database, *files, from_names=True)
    first = capsys.readouterr()
    take(other, *reversed(files), from_names=True)

    assert first == capsys.readouterr()
    assert states(database) == states(other)
    assert revisions(database) == revisions(other)


# ── times ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("openrouter-2026-01-15T2020.json", "2026-01-15T20:20:00"),
        ("kilo-2025-07-25.json", "2025-07-25T00:00:00"),
        ("models_20260115_202000.json.gz", "2026-01-15T20:20:00"),
        ("20260115.json", "2026-01-15T00:00:00"),
        ("2026-01-15T20:20Z.json", "2026-01-15T20:20:00"),
        ("2026-01-15 20-20-31.json", "2026-01-15T20:20:31"),
        ("2026-01-15_20:20:31.json", "2026-01-15T20:20:31"),
        ("2026-01-15-20-20.json", "2026-01-15T20:20:00"),
        ("20260115T202031Z.json", "2026-01-15T20:20:31"),
        ("since-2025-01-01-2026-01-15T2020.json", "2026-01-15T20:20:00"),
        ("2026-01-15-2026-01-16.json", "2026-01-16T00:00:00"),
        ("kilo-2026-01-15-v2.json", "2026-01-15T00:00:00"),
        ("kilo-2026-01-15-12345.json", "2026-01-15T00:00:00"),
        ("4096-kilo-20260115-7.json", "2026-01-15T00:00:00"),
    ],
)
def test_the_time_in_a_name_is_the_last_thing_that_looks_like_a_date(name: str, time: str) -> None:
    assert saved.time_in_name(name) == datetime.fromisoformat(time + "+00:00")


@pytest.mark.parametrize(
    "name", ["kilo.json", "2026-01.json", "1768508400.json", "2026-0115.json", "12026-01-15.json"]
)
def test_a_name_without_a_date_has_none(name: str) -> None:
    assert saved.time_in_name(name) is None


forms = st.sampled_from(
    [
        *("%Y-%m-%dT%H%M%S", "%Y%m%d_%H%M%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d-%H-%M-%S"),
        *("%Y%m%dT%H:%M:%SZ", "%Y-%m-%d_%H%M%SZ"),
    ]
)


@given(
    at=st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    form=forms,
    before=st.from_regex(r"([a-z.]+[-_])?", fullmatch=True),
    after=st.sampled_from(["", ".json", ".json.gz", "-x.json"]),
)
def test_every_form_of_a_time_is_read_back(
    at: datetime, form: str, before: str, after: str
) -> None:
    found = saved.time_in_name(before + at.strftime(form) + after)

    assert found == at.replace(microsecond=0)


@given(name=st.text() | st.from_regex(r"[0-9TtZ:_\- ]*", fullmatch=True))
def test_any_name_has_a_time_or_none_or_an_impossible_one(name: str) -> None:
    try:
        found = saved.time_in_name(name)
    except ValueError:
        return
    assert found is None or found.tzinfo is UTC


async def test_one_list_without_a_time_is_as_if_fetched_now(database: Path, folder: Path) -> None:
    file = save(folder, "kilo-2026-10-01.json", listing(FULL))

    before = utc_now()
    answer = await taken(database, file)
    after = utc_now()

    assert answer.code == 0
    [(at,)] = query(database, "SELECT at FROM refreshes")
    assert before <= datetime.fromisoformat(at) <= after


def test_a_list_of_now_may_follow_another_at_once(database: Path, folder: Path) -> None:
    assert take(database, save(folder, "a.json", listing(FULL))) == 0
    assert take(database, save(folder, "b.json", listing(FULL[:-1]))) == 0

    assert [cause for _, _, cause in revisions(database)] == ["seed", "import", "import"]


@pytest.mark.parametrize(
    ("time", "meant"),
    [
        ("2026-01-15", "2026-01-15T00:00:00Z"),
        ("2026-01-15T20:20", "2026-01-15T20:20:00Z"),
        ("2026-01-15T20:20:30+02:00", "2026-01-15T18:20:30Z"),
    ],
)
def test_one_list_is_of_the_time_that_is_told(
    database: Path, folder: Path, time: str, meant: str
) -> None:
    assert take(database, save(folder, "a.json", listing(FULL)), at=time) == 0

    assert {at for _, at, _ in revisions(database)} == {meant}


WRONG_TIMES: Final = {
    "no-date": ("kilo.json", None, True, "kilo.json: its name has no date, such as 2026-01-15"),
    "impossible-day": (
        *("a-2026-02-30.json", None, True),
        "a-2026-02-30.json: the date in its name is impossible: day is out of range for month",
    ),
    "impossible-hour": (
        *("a-2026-02-03T2560.json", None, True),
        "a-2026-02-03T2560.json: the date in its name is impossible: hour must be in 0..23",
    ),
    "to-come": ("a-9999-01-01.json", None, True, "a-9999-01-01.json: its time, 9999-01-01T00:00"),
    "same-time": (
        *("a-2026-01-15.json b-20260115T0000.json", None, True),
        "a-2026-01-15.json: 2026-01-15T00:00:00Z",
    ),
    "several": (
        *("a-2026-01-15.json b-2026-01-16.json", None, False),
        "FILE: there are 2 files; take each one's time with --at-from-name",
    ),
    "several-at": (
        *("a-2026-01-15.json b-2026-01-16.json", "2026-01-15", False),
        "--at: there are 2 files; take each one's time with --at-from-name",
    ),
    "both": ("a-2026-01-15.json", "2026-01-15", True, "--at: it cannot go with --at-from-name"),
    "revision": ("a.json", "13", False, "--at: '13' is no date or time, such as 2026-01-15"),
    "junk": ("a.json", "soon", False, "--at: 'soon' is no date or time, such as 2026-01-15"),
    "future": ("a.json", "9999-01-01", False, "a.json: its time, 9999-01-01T00:00:00Z, is to come"),
}


@pytest.mark.parametrize("case", WRONG_TIMES.values(), ids=WRONG_TIMES.keys())
def test_a_wrong_time_is_an_error_that_names_the_file_before_anything_is_imported(
    database: Path, folder: Path, case: tuple[str, str | None, bool, str]
) -> None:
    names, at, from_names, told = case
    files = [save(folder, name, listing(FULL)) for name in names.split()]

    assert told in refused(database, *files, at=at, from_names=from_names)
    assert not database.exists()


def refused(
    database: Path,
    *files: Path,
    at: str | None = None,
    from_names: bool = True,
    **chosen: Any,
) -> str:
    """What the import says that it cannot use."""
    with pytest.raises(UsageError) as raised:
        take(database, *files, at=at, from_names=from_names, **chosen)
    return str(raised.value)


# ── files ─────────────────────────────────────────────────────────────────────────────────────


def test_gzip_is_known_by_its_first_bytes_and_a_folder_is_its_lists(
    database: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(folder, "a-2026-01-01.json", gzip.compress(listing(FULL)))
    save(folder, "a-2026-01-02.json.gz", listing(FULL, 2000))
    save(folder, "a-2026-01-03.json.gz", gzip.compress(listing(FULL, 3000)))
    save(folder, "a-2026-01-04.txt", b"no list")
    (folder / "a-2026-01-05.json").mkdir()
    more = save(folder.parent, "a-2026-01-06.json", listing(FULL, 4000))

    assert take(database, folder, more, from_names=True) == 0

    assert only_line(capsys.readouterr().out) == (
        "4 lists imported: 2026-01-01 … 2026-01-06, 20 models added, 60 changed; revision 5"
    )
    days = "SELECT at FROM refreshes WHERE outcome = 'updated' ORDER BY id"
    assert [at[8:10] for (at,) in query(database, days)] == ["01", "02", "03", "06"]


def test_a_bomb_is_an_error_as_is_what_is_too_large(database: Path, folder: Path) -> None:
    good = save(folder, "a-2026-01-01.json", listing(FULL))
    bomb = save(folder, "b-2026-01-02.json.gz", gzip.compress(bytes(2**26)))
    large = save(folder, "c-2026-01-02.json", bytes(2**20))
    assert bomb.stat().st_size < 2**17

    for file in (bomb, large):
        said = refused(database, good, file, max_body_bytes=2**17)
        assert said == f"{file}: the list is larger than MAX_BODY_BYTES"
    assert not database.exists()


def test_what_cannot_be_read_is_named_before_anything_is_imported(
    database: Path, folder: Path
) -> None:
    good = save(folder, "a-2026-01-01.json", listing(FULL))
    os.mkfifo(folder / "pipe-2026-01-02")
    (folder / "empty").mkdir()
    whole = gzip.compress(listing(FULL))
    unreadable = {
        save(folder, "cut-2026-01-02.json.gz", whole[:-9]): "the gzip body ends early",
        save(folder, "odd-2026-01-02.json.gz", whole[:20] + bytes(99)): "not gzip: ",
        folder / "none-2026-01-02.json": "there is no such file",
        folder / "pipe-2026-01-02": "it is no regular file",
        folder / "empty": "the folder has neither *.json nor *.json.gz",
        folder / ("long" * 100): "File name too long",
        good / "below-2026-01-02": "there is no such file",
    }

    for file, why in unreadable.items():
        assert refused(database, good, file).startswith(f"{file}: {why}")
    assert not database.exists()


async def test_a_name_cannot_steer_the_terminal(database: Path, folder: Path) -> None:
    bad = save(folder, "\x1b[31m\r\nred-2026-01-02.json", b"no list")
    good = save(folder, "a-2026-01-01.json", listing(FULL))

    unread = await taken(database, bad.with_name("\x1b]0;x\x07"), "--at-from-name")
    rejected = await taken(database, good, bad, "--at-from-name")

    assert (unread.code, rejected.code) == (2, 5)
    assert only_line(unread.err).isprintable()
    assert only_line(rejected.err).isprintable()


# ── the past is left alone ────────────────────────────────────────────────────────────────────


def test_a_list_that_is_not_later_is_refused_and_the_database_left_byte_for_byte(
    database: Path, folder: Path
) -> None:
    first = save(folder, "a-2026-01-10.json", listing(FULL))
    unchanged = save(folder, "b-2026-01-12.json", listing(FULL) + b"\n")
    early = save(folder, "c-2026-01-11.json", listing(FEW))
    earlier = save(folder, "d-2026-01-09.json", listing(FEW))
    later = save(folder, "e-2026-01-13.json", listing(FULL, 2000))
    assert take(database, first, unchanged, from_names=True) == 0
    before = contents(database.parent)

    for files, named, more in (
        ([later, early], early, ""),  # later than the list, not than the last refresh
        ([unchanged], unchanged, ""),
        ([early, later, earlier], earlier, " (and so with 1 more)"),
    ):
        with pytest.raises(PastError) as raised:
            take(database, *files, from_names=True)
        at = f"{named.name[2:12]}T00:00:00Z"
        assert str(raised.value) == (
            f"{named}: its time, {at}, is not later than what is stored, which goes to "
            f"2026-01-12T00:00:00Z{more}; import only later lists, or choose another --database-url"
        )
    assert contents(database.parent) == before

    assert take(database, later, from_names=True) == 0


async def test_a_database_that_was_seeded_today_begins_today(database: Path, folder: Path) -> None:
    assert (await run_in_thread("migrate", **environment_of(database))).code == 0
    before = contents(database.parent)

    file = save(folder, "a-2026-01-10.json", listing(FULL))
    answer = await run("import", str(file), "--at-from-name", **environment_of(database))

    assert answer.code == 9
    assert "--database-url" in only_line(answer.err)
    assert contents(database.parent) == before


# ── lists that are not believed ───────────────────────────────────────────────────────────────


@pytest.fixture
def doubtful(folder: Path) -> Path:
    """Lists of four days: a full one, one that lacks too much, no list at all, a full one."""
    save(folder, "a-2026-01-01.json", listing(FULL))
    save(folder, "b-2026-01-02.json", listing(FEW))
    save(folder, "c-2026-01-03.json", b"<html>")
    save(folder, "d-2026-01-04.json", listing(FULL, 2000))
    return folder


async def test_lists_that_are_not_believed_are_told_and_the_import_goes_on(
    database: Path, doubtful: Path
) -> None:
    words = ("import", str(doubtful), "--at-from-name")
    answer = await run(*words, **environment_of(database))

    assert answer.code == 5
    held, rejected = answer.err.splitlines()
    assert held == (
        f"{doubtful}/b-2026-01-02.json: held (shrink): 15 of 20 active models would go missing; "
        "seen 1 of 3 times"
    )
    assert rejected.startswith(f"{doubtful}/c-2026-01-03.json: rejected (not_json): ")
    assert only_line(answer.out) == (
        "2 of 4 lists imported: 2026-01-01 … 2026-01-04, 20 models added, 20 changed; revision 3"
    )
    assert query(database, "SELECT at, outcome FROM refreshes ORDER BY id") == [
        ("2026-01-01T00:00:00Z", "updated"),
        ("2026-01-02T00:00:00Z", "held"),
        ("2026-01-03T00:00:00Z", "rejected"),
        ("2026-01-04T00:00:00Z", "updated"),
    ]


def test_a_held_list_alone_is_exit_code_4_and_can_be_accepted(
    database: Path, doubtful: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (doubtful / "c-2026-01-03.json").unlink()
    other = tmp_path / "other.db"

    assert take(database, doubtful, from_names=True) == 4
    assert "held (shrink)" in only_line(capsys.readouterr().err)
    assert take(other, doubtful, from_names=True, accept_held=True) == 0
    assert capsys.readouterr().err == ""
    assert [cause for _, _, cause in revisions(other)] == ["seed", "import", "import", "import"]
    assert counts(other, 3) == {"missing": 15}
    assert counts(other, 4) == {"returned": 15, "changed": 5}


def test_a_list_that_was_saved_three_times_in_a_row_is_believed(
    database: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(folder, "a-2026-01-01.json", listing(FULL))
    for day in ("02", "03", "04"):
        save(folder, f"b-2026-01-{day}.json", listing(FEW))

    assert take(database, folder, from_names=True) == 4

    held = capsys.readouterr().err.splitlines()
    assert [line.rpartition("; ")[2] for line in held] == [
        *("seen 1 of 3 times", "seen 2 of 3 times")
    ]
    assert revisions(database)[-1] == (3, "2026-01-04T00:00:00Z", "import")


# ── what is told ──────────────────────────────────────────────────────────────────────────────


def test_programs_are_told_of_each_file_in_json(
    database: Path, doubtful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert take(database, doubtful, from_names=True, as_json=True) == 5

    report = json.loads(capsys.readouterr().out)
    assert [(one["file"], one["at"], one["outcome"], one["revision"]) for one in report] == [
        (f"{doubtful}/a-2026-01-01.json", "2026-01-01T00:00:00Z", "updated", 2),
        (f"{doubtful}/b-2026-01-02.json", "2026-01-02T00:00:00Z", "held", 2),
        (f"{doubtful}/c-2026-01-03.json", "2026-01-03T00:00:00Z", "rejected", 2),
        (f"{doubtful}/d-2026-01-04.json", "2026-01-04T00:00:00Z", "updated", 3),
    ]
    assert {"reason", "detail", "entries", "rejected", "badFields"} <= report[0].keys()


def test_the_last_line_says_what_came_of_it(
    database: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = (listing(FULL), listing(FULL), b"{}", listing([*FULL, "maker/new"]))
    codes, lines = [], []
    for day, body in enumerate(bodies, start=1):
        file = save(folder, f"{day}.json", body)
        codes.append(take(database, file, at=f"2026-01-0{day}"))
        lines.append(only_line(capsys.readouterr().out))

    assert codes == [0, 0, 5, 0]
    assert lines == [
        "1 list imported: 2026-01-01, 20 models added; revision 2",
        "1 list imported: 2026-01-02, nothing new; revision 2",
        "0 of 1 lists imported; revision 2",
        "1 list imported: 2026-01-04, 1 model added; revision 3",
    ]


async def test_a_person_at_a_terminal_sees_a_bar(database: Path, doubtful: Path) -> None:
    reader, writer = os.openpty()
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service", "import", str(doubtful), "--at-from-name"),
        *("--database-url", f"sqlite:///{database}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=writer,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(writer)
    seen = asyncio.create_task(asyncio.to_thread(read_to_end, reader))
    out, _ = await started.communicate()

    terminal = (await seen).decode()
    assert out.decode().startswith("2 of 4 lists imported")
    assert "importing" in terminal
    assert "4/4" in terminal
    assert "rejected (not_json)" in terminal


# ── beside others ─────────────────────────────────────────────────────────────────────────────


async def test_a_running_server_takes_up_what_was_imported_at_its_next_refresh(
    settings: Settings, gateway: ReplayGateway
) -> None:
    november = fixtures.path("kilo-2026-11-01.json")
    clock = Clock(datetime(2026, 1, 1, tzinfo=UTC))
    async with running_service(settings, clock) as served:
        await served.service.refresher.run()
        answer = await taken(settings.database_path, november, "--at", "2026-01-02")
        gateway.serve(november)
        clock.at = datetime(2026, 1, 3, tzinfo=UTC)
        refresh = await served.service.refresher.run()
        models = await served.client.json("/catalog/models")

    assert answer.code == 0
    assert (refresh.outcome, refresh.reason) == ("unchanged", "same_content")
    assert (models["revision"], models["updatedAt"]) == (3, "2026-01-02T00:00:00Z")
    assert "estuary/brackish-3.5" in {model["id"] for model in models["data"]}
    assert [cause for _, _, cause in revisions(settings.database_path)] == [
        *("seed", "refresh", "import")
    ]


async def test_an_import_that_another_process_overtakes_ends_and_writes_no_list_at_a_later_time(
    settings: Settings, doubtful: Path
) -> None:
    lists = saved.in_time_order(
        list(saved.files_in([doubtful])), at=None, from_names=True, now=utc_now()
    )

    def overtake(one: saved.Imported) -> None:
        if one.saved is lists[0]:
            with closing(sqlite3.connect(settings.database_path)) as other, other:
                other.execute(
                    "INSERT INTO revisions (revision, at, cause)"
                    " VALUES (3, '2026-02-01T00:00:00Z', 'refresh')"
                )

    with pytest.raises(StaleError, match="revision 3 was made by another process"):
        await app.import_lists(
            settings, [lists[0], lists[3]], accept_held=False, on_import=overtake
        )

    assert [cause for _, _, cause in revisions(settings.database_path)] == [
        *("seed", "import", "refresh")
    ]
    assert query(
        settings.database_path,
        "SELECT max(context_window) FROM versions WHERE origin = 'discovered'",
    ) == [(1000,)]


async def test_a_file_that_vanishes_meanwhile_fails_alone(
    settings: Settings, doubtful: Path
) -> None:
    lists = saved.in_time_order(
        list(saved.files_in([doubtful])), at=None, from_names=True, now=utc_now()
    )
    chosen = [lists[0], lists[3]]
    chosen[1].file.unlink()

    first, second = await app.import_lists(
        settings, chosen, accept_held=False, on_import=lambda _: None
    )

    assert first.refresh.outcome == "updated"
    assert (second.refresh.outcome, second.refresh.detail) == (
        "failed",
        "No such file or directory",
    )


async def test_an_unusable_database_is_exit_code_7(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    file = save(folder, "a.json", listing(FULL))
    answer = await run("import", str(file), **environment_of(tmp_path / "file" / "catalog.db"))

    assert (answer.code, answer.out) == (7, "")
    assert answer.err.splitlines()[-1].startswith("model-catalog: the database is ")
