"""What a database can suffer, and what the service makes of it. Real files, real processes."""

# ruff: noqa: ASYNC240 — small local files are what these tests are about

import asyncio
import errno
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import fixtures
from fixtures.faults import Fault
from fixtures.replay import ReplayGateway
from service.catalog import FALLBACK, Outcome, Reason, utc_now
from service.config import Settings
from service.database import Database
from service.store import Store
from service.tables import SCHEMA
from tests.support import Answer, Client, Clock, Process, Running, client_of, process, query, run
from tests.support import running_service as serving

OCTOBER = fixtures.path("kilo-2026-10-01.json")
NOVEMBER = fixtures.path("kilo-2026-11-01.json")
TOKEN = {"authorization": "Bearer let-me-in"}


@pytest.fixture
def settings(fresh_settings: Settings) -> Settings:
    """Here it matters how a database begins: none is there yet."""
    return fresh_settings


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked database is not waited for so long."""
    monkeypatch.setattr("service.database.BUSY_TIMEOUT_MS", 100)


async def refreshed(running: Running) -> tuple[Outcome, Reason]:
    refresh = await running.service.refresher.run()
    return refresh.outcome, refresh.reason


async def served(running: Running) -> Answer:
    return await running.client.get("/catalog/models")


def same(one: Answer, other: Answer) -> bool:
    return (one.body, one.headers["etag"]) == (other.body, other.headers["etag"])


async def ids(client: Client) -> list[str]:
    return [row["id"] for row in (await client.json("/catalog/models"))["data"]]


async def storage_state(client: Client) -> str:
    state: str = (await client.json("/catalog/status"))["storage"]["state"]
    return state


async def readiness(client: Client) -> tuple[int, str]:
    answer = await client.get("/readyz")
    return answer.status, answer.json()["status"]


def execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def check_whole(database: Path) -> None:
    assert query(database, "PRAGMA integrity_check") == [("ok",)]
    assert query(database, "PRAGMA foreign_key_check") == []


def set_aside(database: Path) -> list[Path]:
    """What was kept of damaged databases, without their logs."""
    found = database.parent.glob(f"{database.name}.corrupt-*")
    return [file for file in found if not file.name.endswith(("-wal", "-shm"))]


def with_logs(database: Path) -> list[Path]:
    return [database.with_name(database.name + suffix) for suffix in ("", "-wal", "-shm")]


def lose(database: Path) -> None:
    for file in with_logs(database):
        file.unlink(missing_ok=True)


async def filled(settings: Settings) -> Answer:
    """A database of October and November, closed; what was served of it last."""
    async with ReplayGateway(OCTOBER) as gateway:
        there = settings.model_copy(update={"gateway_url": gateway.url})
        async with serving(there) as running:
            await running.service.refresher.run()
            gateway.serve(NOVEMBER)
            await running.service.refresher.run()
            return await served(running)


# ── an ordinary file ──────────────────────────────────────────────────────────────────────────


async def test_the_first_start_makes_the_folders(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "not" / "yet there%20 é" / "catalog.db"
    there = settings.model_copy(update={"database_url": f"sqlite+aiosqlite:///{file}"})
    async with serving(there) as running:
        assert await storage_state(running.client) == "ok"
        assert await readiness(running.client) == (200, "degraded")  # there is no data yet

    assert query(file, "SELECT id FROM models") == [("kilo/auto",)]


async def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    file = tmp_path / "50% of é #1?&mode=memory.db"
    store = Store(Database(file))
    await store.open(FALLBACK, utc_now())
    await store.close()

    stored = await store.open_read_only()
    await store.close()

    assert [row.model for row in stored.rows] == [*FALLBACK]
    assert [found.name for found in tmp_path.iterdir()] == [file.name]


async def test_the_file_keeps_a_write_ahead_log_and_foreign_keys_hold(
    running: Running, database: Path
) -> None:
    assert query(database, "PRAGMA journal_mode") == [("wal",)]
    store = Database(database)
    await store.open()
    async with store.read() as connection:
        assert (await connection.exec_driver_sql("PRAGMA foreign_keys")).scalar() == 1
        assert (await connection.exec_driver_sql("PRAGMA busy_timeout")).scalar() == 2000
    await store.close()


async def open_connections() -> int:
    """Each has a thread, which ends soon after it is closed."""
    workers = [one for one in threading.enumerate() if "connection_worker" in one.name]
    for worker in workers:
        await asyncio.to_thread(worker.join, 2)
    return sum(worker.is_alive() for worker in workers)


async def test_a_database_that_is_closed_under_a_reader_leaves_no_connection(
    tmp_path: Path,
) -> None:
    database = Database(tmp_path / "catalog.db")
    await database.open()

    async with database.read():
        await database.close()  # as when the file was replaced

    assert await open_connections() == 0


async def test_a_reader_that_is_cancelled_leaves_no_connection(tmp_path: Path) -> None:
    database = Database(tmp_path / "catalog.db")
    await database.open()

    async def read() -> None:
        async with database.read():
            await asyncio.Event().wait()

    for turns in range(12):  # cancelled while it connects, and later
        reader = asyncio.create_task(read())
        for _ in range(turns):
            await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait([reader])
    await database.close()

    assert await open_connections() == 0


async def test_a_stop_leaves_one_file(settings: Settings, database: Path) -> None:
    async with serving(settings) as running:
        await refreshed(running)
        assert all(file.exists() for file in with_logs(database))

    assert [file.exists() for file in with_logs(database)] == [True, False, False]
    check_whole(database)


_PLAIN = {
    "ref": "ref",
    "source": "source",
    "id": "id",
    "name": "name",
    "author": "author",
    "description": "description",
    "contextWindow": "context_window",
    "servedContextWindow": "served_context_window",
    "maxTokens": "max_tokens",
    "pricing": "pricing",
    "tokenizer": "tokenizer",
    "huggingFaceId": "hugging_face_id",
    "family": "family",
    "created": "created",
    "knowledgeCutoff": "knowledge_cutoff",
    "expiresAt": "expires_at",
    "preferredIndex": "preferred_index",
    "origin": "origin",
    "status": "status",
    "missingSince": "missing_since",
    "removedAt": "removed_at",
    "firstSeen": "first_seen",
    "updatedAt": "updated_at",
    "revision": "revision",
}
_LISTS = {
    "badges": "badges",
    "input": "input",
    "output": "output",
    "reasoningEfforts": "reasoning_efforts",
    "supportedParameters": "supported_parameters",
}
_TRUTHS = {
    "reasoning": "reasoning",
    "tools": "tools",
    "structuredOutput": "structured_output",
    "free": "free",
    "moderated": "moderated",
    "mayTrainOnPrompts": "may_train_on_prompts",
}
_COSTS = {
    "input": "cost_input",
    "output": "cost_output",
    "cacheRead": "cost_cache_read",
    "cacheWrite": "cost_cache_write",
    "reasoning": "cost_reasoning",
    "image": "cost_image",
    "request": "cost_request",
    "webSearch": "cost_web_search",
}


def _as_served(row: sqlite3.Row) -> dict[str, Any]:
    lists = {name: row[column] for name, column in _LISTS.items()}
    truths = {name: row[column] for name, column in _TRUTHS.items()}
    return {
        **{name: row[column] for name, column in _PLAIN.items()},
        **{name: value and json.loads(value) for name, value in lists.items()},
        **{name: None if value is None else bool(value) for name, value in truths.items()},
        "cost": {name: row[column] for name, column in _COSTS.items()},
    }


@pytest.mark.parametrize("month", [OCTOBER, NOVEMBER], ids=["october", "november"])
async def test_a_person_with_sqlite3_sees_what_is_served(
    running: Running, gateway: ReplayGateway, database: Path, month: Path
) -> None:
    await refreshed(running)
    gateway.serve(month)
    await refreshed(running)

    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        stored = connection.execute("SELECT * FROM models").fetchall()

    data = (await served(running)).json()["data"]
    by_ref = {row["ref"]: {k: v for k, v in row.items() if k != "default"} for row in data}
    assert {row["ref"]: _as_served(row) for row in stored} == by_ref
    assert len(stored) == len(data)


async def test_every_entry_is_kept_exactly_as_it_was_sent(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    odd = b'{ "id" : "a/1","x":[1.0,1e2, 123456789012345678901234567890],\t"y":"\\u00e9\xc3\xa9" }'
    gateway.serve(b'{"data": [\n ' + odd + b' ,{"id":"a/2"}]}')
    await refreshed(running)

    store = Store(Database(database))
    await store.open_read_only()
    assert await store.entry("kilocode", "a/1") == odd.decode()
    assert await store.entry("kilocode", "a/2") == '{"id":"a/2"}'
    assert await store.entry("kilocode", "kilo/auto") is None
    assert await store.entry("kilocode", "a/3") is None
    await store.close()


async def test_a_missing_model_keeps_its_entry(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await refreshed(running)
    gateway.serve(NOVEMBER)
    await refreshed(running)

    kept = (
        "SELECT json_extract(e.body, '$.id') FROM versions v JOIN entries e ON e.id = v.entry_id"
        " WHERE v.until_revision IS NULL AND v.status = 'missing' ORDER BY 1"
    )
    assert query(database, kept) == [
        ("alderworks/alder-8b:free",),
        ("gannet/plunge-1.5",),
        ("stealth/bittern",),
    ]


async def test_a_crowd_of_readers_of_the_file_does_not_hinder_a_refresh(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await refreshed(running)
    gateway.serve(NOVEMBER)
    with ExitStack() as stack:
        for _ in range(5):
            reader = stack.enter_context(closing(sqlite3.connect(database)))
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM models").fetchone()

        assert await refreshed(running) == (Outcome.UPDATED, Reason.CHANGES)


# ── locked ────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def locked(database: Path, how: str) -> Iterator[None]:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute(f"BEGIN {how}")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
@pytest.mark.usefixtures("_impatient")
async def test_a_locked_database_fails_the_refresh_and_no_reader(
    running: Running, gateway: ReplayGateway, database: Path, how: str
) -> None:
    await refreshed(running)
    before = await served(running)
    gateway.serve(NOVEMBER)

    with locked(database, how):
        assert await refreshed(running) == (Outcome.FAILED, Reason.STORAGE)
        assert same(await served(running), before)
        assert await storage_state(running.client) == "locked"
        assert await readiness(running.client) == (200, "degraded")
        answer = await running.client.ask("POST", "/catalog/refresh", TOKEN)
        assert answer.status == 503

    assert await refreshed(running) == (Outcome.UPDATED, Reason.CHANGES)
    assert await storage_state(running.client) == "ok"
    assert await readiness(running.client) == (200, "ok")
    assert query(database, "SELECT count(*) FROM revisions") == [(3,)]


@pytest.mark.usefixtures("_impatient")
async def test_a_start_on_a_locked_new_file_serves_the_fallback_and_recovers(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    execute(database, "PRAGMA journal_mode = DELETE")
    with locked(database, "EXCLUSIVE"):
        async with serving(settings) as running:
            assert await ids(running.client) == ["kilo/auto"]
            assert await storage_state(running.client) == "locked"
            await refreshed(running)  # in memory
            assert len(await ids(running.client)) == 47

    async with serving(settings) as running:
        assert await storage_state(running.client) == "ok"


@pytest.mark.usefixtures("_impatient")
async def test_what_was_learnt_while_nothing_could_be_stored_is_stored_later(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    execute(database, "PRAGMA journal_mode = DELETE")
    with ExitStack() as lock:
        lock.enter_context(locked(database, "EXCLUSIVE"))
        async with serving(settings) as running:
            assert (await refreshed(running))[0] is Outcome.UPDATED
            known = await ids(running.client)
            lock.close()
            await refreshed(running)

            assert await storage_state(running.client) == "ok"
            assert await ids(running.client) == known
            assert len(query(database, "SELECT id FROM models")) == len(known) == 47
    check_whole(database)


# ── lost and damaged while the service runs ───────────────────────────────────────────────────


async def test_a_deleted_database_is_restored_as_it_was(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await refreshed(running)
    gateway.serve(NOVEMBER)
    await refreshed(running)
    before = await served(running)
    columns = "ref, name, status, first_seen, missing_since, updated_at, revision, position"
    present = f"SELECT {columns} FROM models ORDER BY ref"
    rows = query(database, present)
    lose(database)

    assert (await refreshed(running))[0].is_good

    assert same(await served(running), before)
    assert await storage_state(running.client) == "ok"
    assert query(database, present) == rows
    assert query(database, "SELECT DISTINCT cause FROM revisions") == [("restore",)]
    assert query(database, "SELECT max(revision) FROM revisions") == [(3,)]
    check_whole(database)


async def test_raw_entries_of_a_restored_database_are_filled_in(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await refreshed(running)
    before = await served(running)
    bodies = set(query(database, "SELECT body FROM entries"))
    lose(database)

    assert await refreshed(running) == (Outcome.UNCHANGED, Reason.SAME_CONTENT)

    assert set(query(database, "SELECT body FROM entries")) == bodies
    lacking = "SELECT model_id FROM versions WHERE entry_id IS NULL"
    assert query(database, lacking) == [("kilo/auto",)]
    assert same(await served(running), before)
    assert await refreshed(running) == (Outcome.NOT_MODIFIED, Reason.VALIDATORS_MATCH)


async def test_a_restored_database_goes_on_counting(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await refreshed(running)
    lose(database)
    gateway.serve(NOVEMBER)

    assert await refreshed(running) == (Outcome.UPDATED, Reason.CHANGES)

    counted = "SELECT revision, cause, added, changed, missing FROM revisions ORDER BY 1 DESC"
    assert query(database, counted)[0] == (3, "refresh", 3, 14, 3)
    check_whole(database)


async def test_a_restart_on_a_restored_database_serves_the_same(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    async with serving(settings) as running:
        await refreshed(running)
        gateway.serve(NOVEMBER)
        await refreshed(running)
        lose(database)
        await refreshed(running)
        before = await served(running)
    async with serving(settings) as running:
        assert same(await served(running), before)


async def test_a_database_in_the_place_of_ours_is_taken_up(
    running: Running, settings: Settings, gateway: ReplayGateway, tmp_path: Path, database: Path
) -> None:
    await refreshed(running)
    other = tmp_path / "other.db"
    theirs = await filled(
        settings.model_copy(update={"database_url": f"sqlite+aiosqlite:///{other}"})
    )
    lose(database)
    other.rename(database)
    gateway.serve(NOVEMBER)

    assert (await refreshed(running))[0].is_good

    assert (await ids(running.client))[:-1] == [row["id"] for row in theirs.json()["data"]][:-1]
    assert await storage_state(running.client) == "ok"
    check_whole(database)


async def test_a_foreign_database_in_the_place_of_ours_is_left_alone(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await refreshed(running)
    before = await served(running)
    lose(database)
    execute(database, "CREATE TABLE theirs (x)", "INSERT INTO theirs VALUES (1)")
    content = database.read_bytes()

    for _ in range(2):
        assert await refreshed(running) == (Outcome.FAILED, Reason.STORAGE)

    assert same(await served(running), before)
    assert await storage_state(running.client) == "foreign"
    assert database.read_bytes() == content
    lose(database)
    assert (await refreshed(running))[0].is_good
    assert same(await served(running), before)


def _with_garbage(database: Path) -> None:
    with database.open("r+b") as file:
        file.write(b"not a database, " * 4096)


def _with_zeros(database: Path) -> None:
    with database.open("r+b") as file:
        file.write(bytes(database.stat().st_size))


def _with_a_flipped_page(database: Path) -> None:
    """Every page but the first: whichever is read next is wrong."""
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (database.stat().st_size - 4096))


def _cut_in_half(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def _cut_to_nothing(database: Path) -> None:
    os.truncate(database, 0)


DAMAGE = [_with_garbage, _with_zeros, _with_a_flipped_page, _cut_in_half, _cut_to_nothing]


@pytest.mark.parametrize("damage", [_cut_in_half, _cut_to_nothing])
async def test_a_database_cut_while_it_runs_is_rebuilt_from_memory(
    settings: Settings,
    gateway: ReplayGateway,
    database: Path,
    damage: Callable[[Path], None],
) -> None:
    before = await filled(settings)
    gateway.serve(NOVEMBER)
    async with serving(settings) as running:
        assert same(await served(running), before)
        damage(database)
        outcomes = [(await refreshed(running))[0] for _ in range(2)]

        assert outcomes[-1].is_good
        assert same(await served(running), before)
        assert await storage_state(running.client) == "ok"
        check_whole(database)
        assert len(query(database, "SELECT id FROM models")) == 50
    async with serving(settings) as running:
        assert same(await served(running), before)


@pytest.mark.parametrize("damage", [_with_garbage, _with_zeros, _with_a_flipped_page])
async def test_damage_that_sqlite_does_not_see_yet_reaches_no_reader(
    settings: Settings,
    gateway: ReplayGateway,
    database: Path,
    damage: Callable[[Path], None],
) -> None:
    await filled(settings)
    async with serving(settings) as running:
        damage(database)
        for month in (OCTOBER, NOVEMBER, OCTOBER, NOVEMBER):
            gateway.serve(month)
            await refreshed(running)
            assert len(await ids(running.client)) == 50
    async with serving(settings) as running:
        await refreshed(running)
        assert len(await ids(running.client)) in {47, 50}
        assert await storage_state(running.client) == "ok"
        check_whole(database)


# ── damaged at the start ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("damage", DAMAGE[:-1])
async def test_a_database_damaged_at_the_start_is_set_aside_and_kept(
    settings: Settings, gateway: ReplayGateway, database: Path, damage: Callable[[Path], None]
) -> None:
    await filled(settings)
    damage(database)
    content = database.read_bytes()

    async with serving(settings) as running:
        assert await ids(running.client) == ["kilo/auto"]
        assert await storage_state(running.client) == "ok"
        assert await refreshed(running) == (Outcome.UPDATED, Reason.FIRST)
        assert len(await ids(running.client)) == 47

    (kept,) = set_aside(database)
    assert kept.read_bytes() == content
    check_whole(database)


async def test_a_folder_in_the_place_of_the_file_is_no_reason_to_stop(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    database.mkdir()
    async with serving(settings) as running:
        assert await ids(running.client) == ["kilo/auto"]
        await refreshed(running)
        assert len(await ids(running.client)) == 47
        assert await readiness(running.client) == (200, "degraded")
    assert database.is_dir()


async def test_an_empty_file_becomes_a_database(settings: Settings, database: Path) -> None:
    database.touch()
    async with serving(settings) as running:
        assert await storage_state(running.client) == "ok"
    assert query(database, "SELECT id FROM models") == [("kilo/auto",)]
    assert set_aside(database) == []


# ── not ours ──────────────────────────────────────────────────────────────────────────────────


def _of_another_program(database: Path) -> None:
    execute(database, "CREATE TABLE models (name TEXT)", "INSERT INTO models VALUES ('theirs')")


def _of_another_alembic(database: Path) -> None:
    version = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"
    insert = "INSERT INTO alembic_version VALUES ('deadbeef')"
    execute(database, version, insert, "CREATE TABLE versions (x)")


def _of_another_alembic_alone(database: Path) -> None:
    _of_another_alembic(database)
    execute(database, "DROP TABLE versions")


def _of_another_alembic_without_a_version(database: Path) -> None:
    execute(database, "CREATE TABLE alembic_version (version_num TEXT)", "CREATE TABLE theirs (x)")


def _of_another_alembic_with_our_number(database: Path) -> None:
    _of_another_alembic(database)
    execute(
        database, f"UPDATE alembic_version SET version_num = '{SCHEMA}'", "CREATE TABLE theirs (x)"
    )


def _of_a_newer_release(database: Path) -> None:
    asyncio.run(_make(database))
    execute(database, "UPDATE alembic_version SET version_num = '9999'")


async def _make(database: Path) -> None:
    store = Database(database)
    await store.open()
    await store.close()


@pytest.mark.parametrize(
    "make",
    [
        _of_another_program,
        _of_another_alembic,
        _of_another_alembic_alone,
        _of_another_alembic_without_a_version,
        _of_another_alembic_with_our_number,
        _of_a_newer_release,
    ],
)
async def test_a_database_that_is_not_ours_is_never_written_to(
    settings: Settings, gateway: ReplayGateway, database: Path, make: Callable[[Path], None]
) -> None:
    await asyncio.to_thread(make, database)
    content = database.read_bytes()

    async with serving(settings) as running:
        assert await ids(running.client) == ["kilo/auto"]
        assert await refreshed(running) == (Outcome.UPDATED, Reason.FIRST)
        assert len(await ids(running.client)) == 47
        status = (await running.client.json("/catalog/status"))["storage"]
        assert status["state"] == "foreign"
        assert "MODEL_CATALOG_DATABASE_URL" in status["advice"]
        assert await readiness(running.client) == (200, "degraded")
        gateway.serve(NOVEMBER)
        assert await refreshed(running) == (Outcome.UPDATED, Reason.CHANGES)
        assert len(await ids(running.client)) == 50

    assert database.read_bytes() == content
    assert set_aside(database) == []


# ── no permission ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bare_user(tmp_path: Path) -> list[str]:
    """What to put before a command so that permissions hold it back, as they do not root."""
    prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if os.geteuid() != 0:
        return []
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    probe = [*prefix, "test", "-w", str(closed)]
    if not shutil.which(prefix[0]) or subprocess.run(probe, check=False).returncode != 1:
        pytest.skip("root runs the tests, and cannot give up its power over files")
    return prefix


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of the test's own, whose mode it may change."""
    made = tmp_path / "folder"
    made.mkdir()
    yield made
    made.chmod(0o755)


@asynccontextmanager
async def process_of(prefix: list[str], **environment: str) -> AsyncIterator[Client]:
    """`serve` behind that prefix; a client of it once it has refreshed."""
    started = await asyncio.create_subprocess_exec(
        *(*prefix, sys.executable, "-m", "service", "serve", "--port", "0"),
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    running = Process(started)
    try:
        url = (await running.event("listening"))["url"]
        await running.event("refresh")
        async with client_of(url) as client:
            yield client
        assert await running.stop() == 0
    finally:
        if started.returncode is None:
            started.kill()
        await running.wait()


def _environment(gateway: ReplayGateway, database: Path) -> dict[str, str]:
    return {
        "MODEL_CATALOG_GATEWAY_URL": gateway.url,
        "MODEL_CATALOG_DATABASE_URL": f"sqlite:///{database}",
        "MODEL_CATALOG_ADMIN_TOKEN": "let-me-in",
    }


@pytest.mark.parametrize("folder_mode", [0o555, 0o755])
async def test_a_read_only_file_is_served_and_never_written(
    settings: Settings,
    gateway: ReplayGateway,
    folder: Path,
    bare_user: list[str],
    folder_mode: int,
) -> None:
    file = folder / "catalog.db"
    before = await filled(
        settings.model_copy(update={"database_url": f"sqlite+aiosqlite:///{file}"})
    )
    file.chmod(0o444)
    folder.chmod(folder_mode)
    content = file.read_bytes()

    async with process_of(bare_user, **_environment(gateway, file)) as client:
        answer = await client.get("/catalog/models")
        assert (answer.body, answer.headers["etag"]) == (before.body, before.headers["etag"])
        assert await storage_state(client) == "read_only"
        assert await readiness(client) == (200, "degraded")

    assert file.read_bytes() == content


async def test_a_read_only_folder_without_a_file_is_served_from_memory(
    gateway: ReplayGateway, folder: Path, bare_user: list[str]
) -> None:
    folder.chmod(0o555)
    file = folder / "catalog.db"

    async with process_of(bare_user, **_environment(gateway, file)) as client:
        assert len(await ids(client)) == 47
        assert await storage_state(client) == "read_only"
        assert await readiness(client) == (200, "degraded")

    assert list(folder.iterdir()) == []


async def test_permission_that_is_given_later_is_used(
    gateway: ReplayGateway, folder: Path, bare_user: list[str]
) -> None:
    folder.chmod(0o555)
    file = folder / "catalog.db"

    async with process_of(bare_user, **_environment(gateway, file)) as client:
        folder.chmod(0o755)
        assert (await client.ask("POST", "/catalog/refresh", TOKEN)).status == 200
        assert await storage_state(client) == "ok"
        assert len(query(file, "SELECT id FROM models")) == 47


# ── no room ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if (
        not shutil.which("mount")
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 — how many writes it takes is not known
    return filler


async def test_a_full_disk_fails_the_refresh_and_recovers_by_itself(
    settings: Settings, gateway: ReplayGateway, small_disk: Path
) -> None:
    file = small_disk / "catalog.db"
    there = settings.model_copy(update={"database_url": f"sqlite+aiosqlite:///{file}"})
    async with serving(there) as running:
        await refreshed(running)
        before = await served(running)
        gateway.serve(NOVEMBER)
        filler = fill(small_disk)

        for _ in range(2):
            assert await refreshed(running) == (Outcome.FAILED, Reason.STORAGE)
            assert same(await served(running), before)
            assert await storage_state(running.client) == "full"
            assert await readiness(running.client) == (200, "degraded")

        filler.unlink()
        assert await refreshed(running) == (Outcome.UPDATED, Reason.CHANGES)
        assert await storage_state(running.client) == "ok"
        check_whole(file)
        assert query(file, "SELECT count(*) FROM revisions") == [(3,)]


async def test_a_disk_that_is_full_at_the_start_is_no_reason_to_stop(
    settings: Settings, gateway: ReplayGateway, small_disk: Path
) -> None:
    file = small_disk / "catalog.db"
    filler = fill(small_disk)
    there = settings.model_copy(update={"database_url": f"sqlite+aiosqlite:///{file}"})
    async with serving(there) as running:
        assert await ids(running.client) == ["kilo/auto"]
        await refreshed(running)
        assert len(await ids(running.client)) == 47
        filler.unlink()
        await refreshed(running)
        assert await storage_state(running.client) == "ok"
        assert len(query(file, "SELECT id FROM models")) == 47


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of others need Linux")
async def test_a_file_that_may_not_grow_fails_the_refresh_and_recovers_by_itself(
    gateway: ReplayGateway, database: Path
) -> None:
    environment = _environment(gateway, database)
    async with process("serve", "--port", "0", **environment) as running:
        url = (await running.event("listening"))["url"]
        await running.event("refresh")
        async with client_of(url) as client:
            before = await client.get("/catalog/models")
            gateway.serve(NOVEMBER)
            _, hard = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (4096, hard))

            answer = await client.ask("POST", "/catalog/refresh", TOKEN)
            assert (answer.status, answer.json()["refresh"]["reason"]) == (503, "storage")
            assert (await client.get("/catalog/models")).body == before.body
            assert await storage_state(client) != "ok"

            resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (hard, hard))
            answer = await client.ask("POST", "/catalog/refresh", TOKEN)
            assert (answer.status, answer.json()["outcome"]) == (200, "updated")
            assert await storage_state(client) == "ok"
        assert await running.stop() == 0
    check_whole(database)
    assert query(database, "SELECT count(*) FROM revisions") == [(3,)]


# ── two services on one database ──────────────────────────────────────────────────────────────


async def test_a_second_service_takes_up_the_revision_of_the_first(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    async with serving(settings) as one, serving(settings) as two:
        assert await refreshed(one) == (Outcome.UPDATED, Reason.FIRST)
        assert await refreshed(two) == (Outcome.NOT_MODIFIED, Reason.VALIDATORS_MATCH)

        assert same(await served(one), await served(two))
        assert await storage_state(two.client) == "ok"
    assert query(database, "SELECT revision, cause FROM revisions") == [(1, "seed"), (2, "refresh")]
    assert query(database, "SELECT outcome FROM refreshes") == [("updated",), ("not_modified",)]


async def test_two_services_at_once_make_no_revision_twice(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    async with serving(settings) as one, serving(settings) as two:
        for month in (OCTOBER, NOVEMBER, OCTOBER, NOVEMBER):
            gateway.serve(month)
            outcomes = await asyncio.gather(refreshed(one), refreshed(two))
            assert {outcome for outcome, _ in outcomes} <= {
                Outcome.UPDATED,
                Outcome.UNCHANGED,
                Outcome.NOT_MODIFIED,
            }
            assert same(await served(one), await served(two))

    assert query(database, "SELECT count(*), max(revision) FROM revisions") == [(5, 5)]
    twice = "SELECT since_revision FROM versions GROUP BY since_revision, model_id, origin"
    assert query(database, f"{twice} HAVING count(*) > 1") == []
    check_whole(database)


async def test_a_second_service_takes_up_the_revision_of_the_first_on_304_too(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    async with serving(settings) as one:
        await refreshed(one)
        async with serving(settings) as two:
            gateway.serve(NOVEMBER)
            await refreshed(one)
            gateway.serve(OCTOBER)
            await refreshed(one)
            gateway.play(Fault.not_modified())
            assert (await refreshed(two))[0].is_good

            assert same(await served(one), await served(two))
            assert await storage_state(two.client) == "ok"


async def test_a_second_service_takes_up_the_revision_of_the_first_without_the_gateway(
    settings: Settings, gateway: ReplayGateway
) -> None:
    async with serving(settings) as one, serving(settings) as two:
        await refreshed(one)
        gateway.play(Fault.error(503))

        assert await refreshed(two) == (Outcome.REJECTED, Reason.SERVER_ERROR)

        assert await storage_state(two.client) == "ok"
        assert same(await served(one), await served(two))


async def test_processes_that_first_start_at_once_all_come_up(database: Path) -> None:
    environment = {"MODEL_CATALOG_DATABASE_URL": f"sqlite:///{database}"}

    runs = await asyncio.gather(*(run("migrate", **environment) for _ in range(3)))

    assert [(made.code, made.err) for made in runs] == [(0, "")] * 3
    assert query(database, "SELECT revision, cause, added FROM revisions") == [(1, "seed", 1)]
    check_whole(database)


# ── what memory knows is written back as it is ────────────────────────────────────────────────


async def test_what_was_learnt_without_a_database_keeps_its_dates_and_its_tombstones(
    settings: Settings, gateway: ReplayGateway, database: Path
) -> None:
    clock = Clock()
    database.mkdir()  # a folder in the file's place: no database can be opened
    async with serving(settings, clock) as running:
        await refreshed(running)
        gateway.serve(NOVEMBER)
        await refreshed(running)
        clock.advance(hours=30)
        await refreshed(running)
        before = {key: model_life(model) for key, model in (await everything(running)).items()}
        database.rmdir()
        gateway.play_always(Fault.error(503))

        await refreshed(running)

        after = {key: model_life(model) for key, model in (await everything(running)).items()}
        assert after == before
        assert {life[0] for life in after.values()} == {"active", "removed"}
        assert await storage_state(running.client) == "ok"

        gateway.play_always(None)
        await refreshed(running)
    lacking = "SELECT model_id FROM versions WHERE entry_id IS NULL AND status = 'active'"
    assert query(database, lacking) == [("kilo/auto",)]


async def test_a_lost_file_that_somebody_else_made_anew_is_filled_with_the_same_numbers(
    running: Running, gateway: ReplayGateway, database: Path
) -> None:
    await refreshed(running)
    gateway.serve(NOVEMBER)
    await refreshed(running)
    before = (await running.client.json("/catalog/models"))["data"]
    lose(database)
    assert (await run("migrate", MODEL_CATALOG_DATABASE_URL=f"sqlite:///{database}")).code == 0
    gateway.play_always(Fault.error(503))

    await refreshed(running)

    after = (await running.client.json("/catalog/models"))["data"]
    assert after[:-1] == before[:-1]  # the fallback row has the dates of the new file
    assert query(database, "SELECT max(revision) FROM revisions") == [(3,)]


async def test_a_file_without_a_write_ahead_log_gets_one(
    settings: Settings, database: Path
) -> None:
    async with serving(settings):
        pass
    assert query(database, "PRAGMA journal_mode = DELETE") == [("delete",)]

    async with serving(settings):
        assert query(database, "PRAGMA journal_mode") == [("wal",)]


async def everything(running: Running) -> dict[str, Any]:
    """Every model, tombstones too, by id."""
    catalog = running.service.present.require().catalog
    ids = [row.model.id for row in (*catalog.rows, *catalog.removed)]
    return {id_: await running.client.json(f"/catalog/models/{quote(id_)}") for id_ in ids}


def model_life(model: dict[str, Any]) -> tuple[str, ...]:
    return tuple(model[key] for key in ("status", "firstSeen", "missingSince", "removedAt"))
