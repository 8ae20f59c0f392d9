"""What is forgotten and what is not: the logs grow old, the catalog and its history do not."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import fixtures
from fixtures.faults import Fault
from fixtures.replay import ReplayGateway
from service.app import service
from service.catalog import KILOCODE, Outcome
from service.config import Settings
from service.database import Database
from service.outbox import Outbox, State
from service.schedule import Schedule
from service.store import Store
from tests.receiver import SECRET
from tests.support import Clock, Running, query, running_service

NOVEMBER = fixtures.path("kilo-2026-11-01.json")
ALL = tuple(f"a/{number}" for number in range(10))
FEW = ALL[:4]
LATER = timedelta(days=1000)
"""All that a test makes is older than it is then."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def running(settings: Settings, clock: Clock) -> AsyncIterator[Running]:
    async with running_service(settings, clock) as served:
        yield served


@asynccontextmanager
async def stored(database: Path) -> AsyncIterator[Store]:
    """The store, as another process has it."""
    opened = Database(database)
    await opened.open()
    try:
        yield Store(opened)
    finally:
        await opened.close()


def listing(ids: Iterable[str]) -> bytes:
    return json.dumps({"data": [{"id": model_id} for model_id in ids]}).encode()


async def refreshed(running: Running, clock: Clock, *, times: int = 1) -> list[Outcome]:
    """Refresh so often, an hour apart."""
    outcomes = []
    for _ in range(times):
        clock.advance(hours=1)
        outcomes.append((await running.service.refresher.run()).outcome)
    return outcomes


async def pruned(database: Path, before: datetime) -> int:
    async with stored(database) as store:
        return await store.prune(KILOCODE, before)


def logged(database: Path) -> list[tuple[int, str]]:
    return [
        (number, outcome)
        for number, outcome in query(database, "SELECT id, outcome FROM refreshes ORDER BY id")
    ]


def history(database: Path) -> list[list[tuple[Any, ...]]]:
    tables = ("revisions", "versions", "entries", "sources", "webhooks")
    return [query(database, f"SELECT * FROM {table}") for table in tables]


# ── the log of refreshes ──────────────────────────────────────────────────────────────────────


async def test_what_the_next_refresh_needs_is_kept_however_old_it_is(
    running: Running, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    await refreshed(running, clock)
    gateway.play(Fault.error(503), Fault.error(404))
    await refreshed(running, clock, times=4)
    gateway.serve(NOVEMBER)
    await refreshed(running, clock, times=3)
    gateway.play(Fault.error(503), Fault.web_page())
    await refreshed(running, clock, times=2)
    before = history(database)

    assert await pruned(database, clock() + LATER) == 6

    assert logged(database) == [
        (6, "updated"),
        (8, "not_modified"),
        (9, "rejected"),
        (10, "rejected"),
    ]
    assert history(database) == before


async def test_forgetting_changes_nothing_that_is_loaded_or_served(
    settings: Settings, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    async with running_service(settings, clock) as running:
        await refreshed(running, clock, times=3)
        gateway.serve(NOVEMBER)
        await refreshed(running, clock, times=3)
        served = await running.client.get("/catalog/models")
    async with stored(database) as store:
        before = await store.load(), await store.recent(KILOCODE)
        assert await store.prune(KILOCODE, clock() + LATER) == 4
        assert (await store.load(), await store.recent(KILOCODE)) == before

    async with running_service(settings, clock) as running:
        again = await running.client.get("/catalog/models")
        assert await refreshed(running, clock) == [Outcome.NOT_MODIFIED]
    same = ("etag", "last-modified", "catalog-checked")
    assert again.body == served.body
    assert [again.headers[name] for name in same] == [served.headers[name] for name in same]


async def test_what_is_young_is_kept(
    running: Running, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    began = clock()
    await refreshed(running, clock, times=6)  # at 1 h to 6 h

    assert await pruned(database, began + timedelta(hours=1)) == 0
    assert await pruned(database, began + timedelta(hours=4)) == 2  # the first has changed the list
    assert [number for number, _ in logged(database)] == [1, 4, 5, 6]


async def test_a_list_that_is_held_stays_held(
    running: Running, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    gateway.serve(listing(ALL))
    await refreshed(running, clock)
    gateway.serve(listing(FEW))
    assert await refreshed(running, clock, times=2) == [Outcome.HELD, Outcome.HELD]

    assert await pruned(database, clock() + LATER) == 0

    async with stored(database) as store:
        assert len((await store.recent(KILOCODE)).held) == 2
    assert await refreshed(running, clock) == [Outcome.UPDATED]


async def test_without_a_good_list_everything_is_kept(
    running: Running, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    gateway.play_always(Fault.error(503))
    await refreshed(running, clock, times=3)

    assert await pruned(database, clock() + LATER) == 0
    assert len(logged(database)) == 3


async def test_the_date_of_the_list_does_not_go_back(
    running: Running, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    clock.advance(days=10)  # the clock is wrong
    await refreshed(running, clock)
    clock.advance(days=-10)
    gateway.serve(NOVEMBER)
    await refreshed(running, clock, times=2)
    async with stored(database) as store:
        before = (await store.load()).modified_at
        await store.prune(KILOCODE, clock() + LATER)
        assert (await store.load()).modified_at == before


async def test_another_source_is_left_alone(
    running: Running, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    columns = "at, duration_ms, outcome, reason, revision"
    await refreshed(running, clock, times=3)
    execute(
        database,
        f"INSERT INTO refreshes (source, {columns}) SELECT 'other', {columns} FROM refreshes",
    )

    assert await pruned(database, clock() + LATER) == 1

    counts = query(database, "SELECT source, count(*) FROM refreshes GROUP BY source ORDER BY 1")
    assert counts == [(KILOCODE, 2), ("other", 3)]


def execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


# ── messages to webhooks ──────────────────────────────────────────────────────────────────────


def put(database: Path, webhook: str, messages: Iterable[tuple[State, datetime]]) -> None:
    """Messages of revision 1, in these states and made at these times."""
    for number, (state, made) in enumerate(messages):
        at = made.strftime("%Y-%m-%dT%H:%M:%SZ")
        execute(
            database,
            "INSERT INTO deliveries"
            " (webhook, message_id, revision, created_at, body, state, due_at) VALUES"
            f" ('{webhook}', '{webhook}-{number}', 1, '{at}', '{{}}', '{state}', '{at}')",
        )


def kept(database: Path) -> list[str]:
    return [row[0] for row in query(database, "SELECT message_id FROM deliveries ORDER BY id")]


async def test_settled_messages_are_forgotten_and_pending_ones_are_not(
    running: Running, database: Path, clock: Clock
) -> None:
    old, young = clock(), clock() + timedelta(days=2)
    for webhook in ("here", "gone"):
        put(database, webhook, [(state, at) for at in (old, young) for state in State])
    execute(database, "INSERT INTO webhooks VALUES ('here', 1), ('gone', 1)")
    before = history(database)
    opened = Database(database)
    await opened.open()

    forgotten = await Outbox(opened).prune(clock() + timedelta(days=1), ["here"])
    await opened.close()

    assert forgotten == 5
    assert kept(database) == [
        "here-0",  # pending, of a webhook that is configured
        *("here-3", "here-4", "here-5"),
        *("gone-3", "gone-4", "gone-5"),
    ]
    assert history(database) == before


async def test_without_any_webhook_all_old_messages_are_forgotten(
    running: Running, database: Path, clock: Clock
) -> None:
    put(database, "gone", [(state, clock()) for state in State])
    opened = Database(database)
    await opened.open()
    assert await Outbox(opened).prune(clock() + LATER, []) == 3
    await opened.close()


# ── once a day ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daily run comes right after the start."""
    monkeypatch.setattr("service.schedule.DAILY_AFTER_SECONDS", 0.0)


async def eventually(is_so: Callable[[], bool]) -> None:
    """Look again and again, as nobody is told of what is forgotten."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 — as said
            await asyncio.sleep(0)


async def filled(settings: Settings, clock: Clock, gateway: ReplayGateway) -> None:
    """A database with five old refreshes and two old messages."""
    async with running_service(settings, clock) as running:
        await refreshed(running, clock, times=5)
    put(settings.database_path, "here", [(State.PENDING, clock()), (State.DELIVERED, clock())])
    put(settings.database_path, "gone", [(State.PENDING, clock())])
    clock.advance(days=60)


@pytest.mark.usefixtures("_at_once")
async def test_the_schedule_forgets_what_the_settings_say(
    settings: Settings, gateway: ReplayGateway, database: Path, clock: Clock
) -> None:
    await filled(settings, clock, gateway)
    flags = {"name": "here", "url": "http://127.0.0.1:9/", "secret": SECRET}
    keep = Settings.load({"webhooks": [flags], "refresh_log_keep": "59d"})
    update = {name: getattr(keep, name) for name in ("webhooks", "refresh_log_keep")}
    gateway.play_always(Fault.error(503))
    async with service(settings.model_copy(update=update), clock=clock) as made:
        made.schedule.start()
        await eventually(lambda: kept(database) == ["here-0"])

    assert [number for number, _ in logged(database)][:2] == [1, 5]


@pytest.mark.usefixtures("_at_once")
async def test_no_refresh_waits_for_the_daily_run_and_no_stop_either(
    settings: Settings, gateway: ReplayGateway
) -> None:
    began = asyncio.Event()

    async def hang() -> None:
        began.set()
        await asyncio.Event().wait()

    async with service(settings) as made:
        schedule = Schedule(
            made.refresher, interval_seconds=1, retry_after_max_seconds=1, daily=hang
        )
        schedule.start()
        await began.wait()
        await gateway.wait_for_requests(2)
        async with asyncio.timeout(10):
            await schedule.stop(1)


async def test_a_database_that_cannot_be_written_is_tried_another_day(
    settings: Settings,
    gateway: ReplayGateway,
    database: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.database.BUSY_TIMEOUT_MS", 20)
    await filled(settings, clock, gateway)
    keep = settings.model_copy(update={"refresh_log_keep": 86_400.0})
    async with service(keep, clock=clock) as made:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await made.schedule._daily()
            other.execute("ROLLBACK")
        assert len(logged(database)) == 5

        await made.schedule._daily()
        assert [number for number, _ in logged(database)] == [1, 5]
        assert (await made.refresh()).outcome is Outcome.NOT_MODIFIED
